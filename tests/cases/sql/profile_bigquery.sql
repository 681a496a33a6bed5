WITH source AS (
  SELECT
    `id` AS r0,
    `Größe` AS r1,
    `s` AS r2,
    `"; drop table x; --` AS r3,
    `day` AS r4,
    `ok` AS r5,
    `at` AS r6,
    `zoned` AS r7
  FROM `shop`.`Orders "2026"`
), batch AS (
  SELECT
    r0 AS c0,
    r0 AS r0,
    r1 AS r1,
    r2 AS r2,
    r3 AS r3,
    r4 AS r4,
    r5 AS r5,
    r6 AS r6,
    r7 AS r7,
    CASE
      WHEN ABS(CAST(r0 AS FLOAT64)) <= CAST('1.7976931348623157e+308' AS FLOAT64)
      THEN CAST(r0 AS FLOAT64)
    END AS v0,
    CASE
      WHEN ABS(CAST(r1 AS FLOAT64)) <= CAST('1.7976931348623157e+308' AS FLOAT64)
      THEN CAST(r1 AS FLOAT64)
    END AS v1,
    CAST(r2 AS STRING) AS v2,
    CASE
      WHEN ABS(CAST(r3 AS FLOAT64)) <= CAST('1.7976931348623157e+308' AS FLOAT64)
      THEN CAST(r3 AS FLOAT64)
    END AS v3,
    CAST(DATE_DIFF(r4, CAST('1970-01-01' AS DATE), DAY) AS FLOAT64) AS v4,
    CASE WHEN r5 THEN 'true' WHEN NOT r5 THEN 'false' END AS v5,
    CAST(DATETIME_DIFF(r6, CAST('1970-01-01' AS DATETIME), MICROSECOND) AS FLOAT64) AS v6,
    CAST(UNIX_MICROS(r7) AS FLOAT64) AS v7
  FROM source
), tallies AS (
  SELECT
    0 AS tally
  UNION ALL
  SELECT
    1 AS tally
  UNION ALL
  SELECT
    2 AS tally
  UNION ALL
  SELECT
    3 AS tally
  UNION ALL
  SELECT
    4 AS tally
  UNION ALL
  SELECT
    5 AS tally
  UNION ALL
  SELECT
    6 AS tally
  UNION ALL
  SELECT
    7 AS tally
  UNION ALL
  SELECT
    8 AS tally
  UNION ALL
  SELECT
    9 AS tally
  UNION ALL
  SELECT
    10 AS tally
  UNION ALL
  SELECT
    11 AS tally
  UNION ALL
  SELECT
    12 AS tally
  UNION ALL
  SELECT
    13 AS tally
), placed AS (
  SELECT
    tally,
    CASE tally
      WHEN 0
      THEN CASE
        WHEN r0 IS NULL
        THEN -2
        WHEN v0 < CAST('1.5' AS FLOAT64)
        THEN 0
        WHEN v0 > CAST('2050.5' AS FLOAT64)
        THEN 2049
        WHEN FLOOR((
          v0 - CAST('1.5' AS FLOAT64)
        ) * CAST('1.0' AS FLOAT64)) >= 2048
        THEN 2049
        ELSE CAST(FLOOR((
          v0 - CAST('1.5' AS FLOAT64)
        ) * CAST('1.0' AS FLOAT64)) AS INT64) + 1
      END
      WHEN 1
      THEN CASE
        WHEN r1 IS NULL
        THEN -2
        WHEN IS_NAN(CAST(r1 AS FLOAT64))
        THEN -3
        WHEN CAST(r1 AS FLOAT64) > CAST('1.7976931348623157e+308' AS FLOAT64)
        THEN -4
        WHEN v1 IS NULL
        THEN -5
        WHEN v1 < CAST('0.0' AS FLOAT64)
        THEN 0
        WHEN v1 > CAST('2.000978563476562' AS FLOAT64)
        THEN 2049
        WHEN FLOOR((
          v1 - CAST('0.0' AS FLOAT64)
        ) * CAST('1023.9989760010241' AS FLOAT64)) >= 2048
        THEN 2049
        ELSE CAST(FLOOR((
          v1 - CAST('0.0' AS FLOAT64)
        ) * CAST('1023.9989760010241' AS FLOAT64)) AS INT64) + 1
      END
      WHEN 2
      THEN CASE
        WHEN v1 >= CAST('0.0' AS FLOAT64) AND v1 < CAST('1.5' AS FLOAT64)
        THEN 0
        WHEN v1 >= CAST('1.5' AS FLOAT64) AND v1 <= CAST('2.0' AS FLOAT64)
        THEN 1
      END
      WHEN 3
      THEN CASE
        WHEN NOT v1 IS NULL
        THEN (
          CASE
            WHEN (
              FARM_FINGERPRINT(CAST(v1 + 0.0 AS STRING)) & 63
            ) = 0
            THEN 1
            ELSE 0
          END + CASE
            WHEN (
              FARM_FINGERPRINT(CAST(v1 + 0.0 AS STRING)) & 4095
            ) = 0
            THEN 1
            ELSE 0
          END
        ) * 256 + (
          (
            FARM_FINGERPRINT(CAST(v1 + 0.0 AS STRING)) >> 25
          ) & 255
        )
      END
      WHEN 4
      THEN CASE
        WHEN r2 IS NULL
        THEN -2
        WHEN v2 = 'it\'s'
        THEN 0
        WHEN v2 = 'a\\b'
        THEN 1
        WHEN v2 = 'AB1'
        THEN 2
        ELSE (
          3 + (
            FARM_FINGERPRINT(v2) & 255
          )
        )
      END
      WHEN 5
      THEN CASE
        WHEN NOT v2 IS NULL
        THEN (
          CASE WHEN (
            FARM_FINGERPRINT(v2) & 63
          ) = 0 THEN 1 ELSE 0 END + CASE WHEN (
            FARM_FINGERPRINT(v2) & 4095
          ) = 0 THEN 1 ELSE 0 END
        ) * 256 + (
          (
            FARM_FINGERPRINT(v2) >> 25
          ) & 255
        )
      END
      WHEN 6
      THEN CASE
        WHEN r3 IS NULL
        THEN -2
        WHEN v3 < CAST('1.0' AS FLOAT64)
        THEN 0
        WHEN v3 > CAST('9.003914253906249' AS FLOAT64)
        THEN 2049
        WHEN FLOOR((
          v3 - CAST('1.0' AS FLOAT64)
        ) * CAST('255.99974400025602' AS FLOAT64)) >= 2048
        THEN 2049
        ELSE CAST(FLOOR((
          v3 - CAST('1.0' AS FLOAT64)
        ) * CAST('255.99974400025602' AS FLOAT64)) AS INT64) + 1
      END
      WHEN 7
      THEN CASE
        WHEN NOT v3 IS NULL
        THEN (
          CASE
            WHEN (
              FARM_FINGERPRINT(CAST(v3 + 0.0 AS STRING)) & 63
            ) = 0
            THEN 1
            ELSE 0
          END + CASE
            WHEN (
              FARM_FINGERPRINT(CAST(v3 + 0.0 AS STRING)) & 4095
            ) = 0
            THEN 1
            ELSE 0
          END
        ) * 256 + (
          (
            FARM_FINGERPRINT(CAST(v3 + 0.0 AS STRING)) >> 25
          ) & 255
        )
      END
      WHEN 8
      THEN CASE
        WHEN r4 IS NULL
        THEN -2
        WHEN v4 < CAST('20453.5' AS FLOAT64)
        THEN 0
        WHEN v4 > CAST('22502.5' AS FLOAT64)
        THEN 2049
        WHEN FLOOR((
          v4 - CAST('20453.5' AS FLOAT64)
        ) * CAST('1.0' AS FLOAT64)) >= 2048
        THEN 2049
        ELSE CAST(FLOOR((
          v4 - CAST('20453.5' AS FLOAT64)
        ) * CAST('1.0' AS FLOAT64)) AS INT64) + 1
      END
      WHEN 9
      THEN CASE WHEN r5 IS NULL THEN -2 WHEN v5 = 'false' THEN 0 WHEN v5 = 'true' THEN 1 ELSE 0 END
      WHEN 10
      THEN CASE
        WHEN r6 IS NULL
        THEN -2
        WHEN v6 < CAST('1767225600000000.0' AS FLOAT64)
        THEN 0
        WHEN v6 > CAST('1767225639019082.0' AS FLOAT64)
        THEN 2049
        WHEN FLOOR(
          (
            v6 - CAST('1767225600000000.0' AS FLOAT64)
          ) * CAST('5.251276800005251e-05' AS FLOAT64)
        ) >= 2048
        THEN 2049
        ELSE CAST(FLOOR(
          (
            v6 - CAST('1767225600000000.0' AS FLOAT64)
          ) * CAST('5.251276800005251e-05' AS FLOAT64)
        ) AS INT64) + 1
      END
      WHEN 11
      THEN CASE
        WHEN NOT v6 IS NULL
        THEN (
          CASE
            WHEN (
              FARM_FINGERPRINT(CAST(v6 + 0.0 AS STRING)) & 63
            ) = 0
            THEN 1
            ELSE 0
          END + CASE
            WHEN (
              FARM_FINGERPRINT(CAST(v6 + 0.0 AS STRING)) & 4095
            ) = 0
            THEN 1
            ELSE 0
          END
        ) * 256 + (
          (
            FARM_FINGERPRINT(CAST(v6 + 0.0 AS STRING)) >> 25
          ) & 255
        )
      END
      WHEN 12
      THEN CASE
        WHEN r7 IS NULL
        THEN -2
        WHEN v7 < CAST('1767225600000000.0' AS FLOAT64)
        THEN 0
        WHEN v7 > CAST('1767225639019082.0' AS FLOAT64)
        THEN 2049
        WHEN FLOOR(
          (
            v7 - CAST('1767225600000000.0' AS FLOAT64)
          ) * CAST('5.251276800005251e-05' AS FLOAT64)
        ) >= 2048
        THEN 2049
        ELSE CAST(FLOOR(
          (
            v7 - CAST('1767225600000000.0' AS FLOAT64)
          ) * CAST('5.251276800005251e-05' AS FLOAT64)
        ) AS INT64) + 1
      END
      WHEN 13
      THEN CASE
        WHEN NOT v7 IS NULL
        THEN (
          CASE
            WHEN (
              FARM_FINGERPRINT(CAST(v7 + 0.0 AS STRING)) & 63
            ) = 0
            THEN 1
            ELSE 0
          END + CASE
            WHEN (
              FARM_FINGERPRINT(CAST(v7 + 0.0 AS STRING)) & 4095
            ) = 0
            THEN 1
            ELSE 0
          END
        ) * 256 + (
          (
            FARM_FINGERPRINT(CAST(v7 + 0.0 AS STRING)) >> 25
          ) & 255
        )
      END
    END AS slot,
    CASE tally
      WHEN 0
      THEN v0
      WHEN 1
      THEN v1
      WHEN 6
      THEN v3
      WHEN 8
      THEN v4
      WHEN 10
      THEN v6
      WHEN 12
      THEN v7
    END AS v,
    CASE tally
      WHEN 0
      THEN v0 - CAST('1025.5' AS FLOAT64)
      WHEN 1
      THEN v1 - CAST('1.000001' AS FLOAT64)
      WHEN 6
      THEN v3 - CAST('5.000004' AS FLOAT64)
      WHEN 8
      THEN v4 - CAST('21477.5' AS FLOAT64)
      WHEN 10
      THEN v6 - CAST('1767225619500019.5' AS FLOAT64)
      WHEN 12
      THEN v7 - CAST('1767225619500019.5' AS FLOAT64)
    END AS d,
    CASE tally
      WHEN 0
      THEN v0 - CAST('2049.5' AS FLOAT64)
      WHEN 1
      THEN v1 - CAST('2.000002' AS FLOAT64)
      WHEN 6
      THEN v3 - CAST('9.000008' AS FLOAT64)
      WHEN 8
      THEN v4 - CAST('22501.5' AS FLOAT64)
      WHEN 10
      THEN v6 - CAST('1767225639000039.0' AS FLOAT64)
      WHEN 12
      THEN v7 - CAST('1767225639000039.0' AS FLOAT64)
    END AS past,
    CASE tally
      WHEN 3
      THEN CAST(1 AS INT64) << CAST((
        FARM_FINGERPRINT(CAST(v1 + 0.0 AS STRING)) >> 20
      ) & 31 AS INT64)
      WHEN 5
      THEN CAST(1 AS INT64) << CAST((
        FARM_FINGERPRINT(v2) >> 20
      ) & 31 AS INT64)
      WHEN 7
      THEN CAST(1 AS INT64) << CAST((
        FARM_FINGERPRINT(CAST(v3 + 0.0 AS STRING)) >> 20
      ) & 31 AS INT64)
      WHEN 11
      THEN CAST(1 AS INT64) << CAST((
        FARM_FINGERPRINT(CAST(v6 + 0.0 AS STRING)) >> 20
      ) & 31 AS INT64)
      WHEN 13
      THEN CAST(1 AS INT64) << CAST((
        FARM_FINGERPRINT(CAST(v7 + 0.0 AS STRING)) >> 20
      ) & 31 AS INT64)
    END AS bit
  FROM batch
  CROSS JOIN tallies
), counted AS (
  SELECT
    tally,
    slot,
    COUNT(*) AS many,
    MIN(v) AS low,
    MAX(v) AS high,
    SUM(CASE WHEN ABS(d) > 1e300 THEN CAST('Infinity' AS FLOAT64) ELSE d END) AS total,
    SUM(
      CASE
        WHEN ABS(d) > 1e140
        THEN CAST('Infinity' AS FLOAT64)
        WHEN ABS(d) < 1e-140
        THEN 0
        ELSE d * d
      END
    ) AS squares,
    SUM(CASE WHEN past > 0 THEN past ELSE 0 END) AS beyond,
    BIT_OR(bit) AS bits
  FROM placed
  WHERE
    NOT slot IS NULL
  GROUP BY
    tally,
    slot
  UNION ALL
  SELECT
    -1,
    -1,
    0,
    CAST(NULL AS FLOAT64),
    CAST(NULL AS FLOAT64),
    CAST(NULL AS FLOAT64),
    CAST(NULL AS FLOAT64),
    CAST(NULL AS FLOAT64),
    CAST(NULL AS INT64)
), figures AS (
  SELECT
    SUM(CAST(c0 AS BIGNUMERIC)) AS m0,
    COUNT(*) AS m1
  FROM batch
)
SELECT
  tally,
  slot,
  many,
  low,
  high,
  total,
  squares,
  beyond,
  bits,
  m0,
  m1
FROM counted
LEFT JOIN figures
  ON tally = -1
