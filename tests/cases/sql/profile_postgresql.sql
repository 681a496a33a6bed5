WITH source AS (
  SELECT
    "id" AS r0,
    "Größe" AS r1,
    "s" AS r2,
    """; drop table x; --" AS r3,
    "day" AS r4,
    "ok" AS r5,
    "at" AS r6,
    "zoned" AS r7
  FROM "shop"."Orders ""2026"""
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
    CAST(r0 AS DOUBLE PRECISION) AS v0,
    CASE
      WHEN NOT r1 IN ('NaN', 'Infinity', '-Infinity')
      THEN CAST(r1 AS DOUBLE PRECISION)
    END AS v1,
    CAST(r2 AS TEXT) COLLATE "C" AS v2,
    CASE
      WHEN NOT CAST(r3 AS TEXT) IN ('NaN', 'Infinity', '-Infinity')
      THEN CAST(r3 AS DOUBLE PRECISION)
    END AS v3,
    CASE
      WHEN ISFINITE(r4)
      THEN CAST((
        r4 - CAST('1970-01-01' AS DATE)
      ) AS DOUBLE PRECISION)
    END AS v4,
    CAST(r5 AS TEXT) COLLATE "C" AS v5,
    CASE
      WHEN ISFINITE(r6)
      THEN CAST((
        EXTRACT(EPOCH FROM r6) * 1000000
      ) AS DOUBLE PRECISION)
    END AS v6,
    CASE
      WHEN ISFINITE(r7)
      THEN CAST((
        EXTRACT(EPOCH FROM r7) * 1000000
      ) AS DOUBLE PRECISION)
    END AS v7
  FROM source
)
SELECT
  SUM(c0) AS m0,
  COUNT(*) AS m1,
  COUNT(r0) AS m2,
  COUNT(v0) AS m3,
  MIN(v0) AS m4,
  MAX(v0) AS m5,
  SUM((
    v0 - CAST('1025.5' AS DOUBLE PRECISION)
  )) AS m6,
  SUM(
    (
      v0 - CAST('1025.5' AS DOUBLE PRECISION)
    ) * (
      v0 - CAST('1025.5' AS DOUBLE PRECISION)
    )
  ) AS m7,
  SUM(GREATEST(v0 - CAST('2049.5' AS DOUBLE PRECISION), 0)) AS m8,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CASE
              WHEN v0 IS NULL
              THEN 0
              ELSE CAST(LEAST(
                GREATEST(
                  FLOOR((
                    v0 - CAST('1.5' AS DOUBLE PRECISION)
                  ) * CAST('1.0' AS DOUBLE PRECISION)),
                  -1
                ),
                2048
              ) AS INT) + 1
            END
          )
        )
      ) AS DECIMAL)
    )
  ) AS TEXT) AS m9,
  COUNT(r1) AS m10,
  COUNT(*) FILTER(WHERE
    r1 = 'NaN') AS m11,
  COUNT(*) FILTER(WHERE
    r1 = 'Infinity') AS m12,
  COUNT(v1) AS m13,
  MIN(v1) AS m14,
  MAX(v1) AS m15,
  SUM(
    CASE
      WHEN ABS((
        v1 - CAST('1.000001' AS DOUBLE PRECISION)
      )) > 1e300
      THEN CAST('Infinity' AS DOUBLE PRECISION)
      ELSE (
        v1 - CAST('1.000001' AS DOUBLE PRECISION)
      )
    END
  ) AS m16,
  SUM(
    CASE
      WHEN ABS((
        v1 - CAST('1.000001' AS DOUBLE PRECISION)
      )) > 1e140
      THEN CAST('Infinity' AS DOUBLE PRECISION)
      WHEN ABS((
        v1 - CAST('1.000001' AS DOUBLE PRECISION)
      )) < 1e-140
      THEN 0
      ELSE (
        v1 - CAST('1.000001' AS DOUBLE PRECISION)
      ) * (
        v1 - CAST('1.000001' AS DOUBLE PRECISION)
      )
    END
  ) AS m17,
  SUM(GREATEST(v1 - CAST('2.000002' AS DOUBLE PRECISION), 0)) AS m18,
  COUNT(*) FILTER(WHERE
    v1 >= CAST('0.0' AS DOUBLE PRECISION) AND v1 < CAST('1.5' AS DOUBLE PRECISION)) AS m19,
  COUNT(*) FILTER(WHERE
    v1 >= CAST('1.5' AS DOUBLE PRECISION) AND v1 <= CAST('2.0' AS DOUBLE PRECISION)) AS m20,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CASE
              WHEN v1 IS NULL
              THEN 0
              ELSE CAST(LEAST(
                GREATEST(
                  FLOOR(
                    (
                      GREATEST(
                        LEAST(v1, CAST('2.000978563476562' AS DOUBLE PRECISION)),
                        CAST('-0.0009765634765625' AS DOUBLE PRECISION)
                      ) - CAST('0.0' AS DOUBLE PRECISION)
                    ) * CAST('1023.9989760010241' AS DOUBLE PRECISION)
                  ),
                  -1
                ),
                2048
              ) AS INT) + 1
            END
          )
        )
      ) AS DECIMAL)
    )
  ) AS TEXT) AS m21,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHFLOAT8EXTENDED(v1, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHFLOAT8EXTENDED(v1, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHFLOAT8EXTENDED(v1, 0) & 4095
        ) = 0
      ) AS INT) = 0)
  ) AS TEXT) AS m22,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHFLOAT8EXTENDED(v1, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHFLOAT8EXTENDED(v1, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHFLOAT8EXTENDED(v1, 0) & 4095
        ) = 0
      ) AS INT) = 1)
  ) AS TEXT) AS m23,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHFLOAT8EXTENDED(v1, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHFLOAT8EXTENDED(v1, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHFLOAT8EXTENDED(v1, 0) & 4095
        ) = 0
      ) AS INT) = 2)
  ) AS TEXT) AS m24,
  COUNT(r2) AS m25,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHTEXTEXTENDED(v2, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHTEXTEXTENDED(v2, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHTEXTEXTENDED(v2, 0) & 4095
        ) = 0
      ) AS INT) = 0)
  ) AS TEXT) AS m26,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHTEXTEXTENDED(v2, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHTEXTEXTENDED(v2, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHTEXTEXTENDED(v2, 0) & 4095
        ) = 0
      ) AS INT) = 1)
  ) AS TEXT) AS m27,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHTEXTEXTENDED(v2, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHTEXTEXTENDED(v2, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHTEXTEXTENDED(v2, 0) & 4095
        ) = 0
      ) AS INT) = 2)
  ) AS TEXT) AS m28,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CASE
              WHEN v2 IS NULL
              THEN 0
              ELSE 1 + COALESCE(
                ARRAY_POSITION(CAST(ARRAY['it''s', 'a\b', 'AB1'] AS TEXT[]), v2) - 1,
                3 + CAST((
                  HASHTEXTEXTENDED(v2, 0) & 255
                ) AS INT)
              )
            END
          )
        )
      ) AS DECIMAL)
    )
  ) AS TEXT) AS m29,
  COUNT(r3) AS m30,
  COUNT(*) FILTER(WHERE
    r3 = 'NaN') AS m31,
  COUNT(*) FILTER(WHERE
    r3 = 'Infinity') AS m32,
  COUNT(v3) AS m33,
  MIN(v3) AS m34,
  MAX(v3) AS m35,
  SUM(
    CASE
      WHEN ABS((
        v3 - CAST('5.000004' AS DOUBLE PRECISION)
      )) > 1e300
      THEN CAST('Infinity' AS DOUBLE PRECISION)
      ELSE (
        v3 - CAST('5.000004' AS DOUBLE PRECISION)
      )
    END
  ) AS m36,
  SUM(
    CASE
      WHEN ABS((
        v3 - CAST('5.000004' AS DOUBLE PRECISION)
      )) > 1e140
      THEN CAST('Infinity' AS DOUBLE PRECISION)
      WHEN ABS((
        v3 - CAST('5.000004' AS DOUBLE PRECISION)
      )) < 1e-140
      THEN 0
      ELSE (
        v3 - CAST('5.000004' AS DOUBLE PRECISION)
      ) * (
        v3 - CAST('5.000004' AS DOUBLE PRECISION)
      )
    END
  ) AS m37,
  SUM(GREATEST(v3 - CAST('9.000008' AS DOUBLE PRECISION), 0)) AS m38,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CASE
              WHEN v3 IS NULL
              THEN 0
              ELSE CAST(LEAST(
                GREATEST(
                  FLOOR(
                    (
                      GREATEST(
                        LEAST(v3, CAST('9.003914253906249' AS DOUBLE PRECISION)),
                        CAST('0.99609374609375' AS DOUBLE PRECISION)
                      ) - CAST('1.0' AS DOUBLE PRECISION)
                    ) * CAST('255.99974400025602' AS DOUBLE PRECISION)
                  ),
                  -1
                ),
                2048
              ) AS INT) + 1
            END
          )
        )
      ) AS DECIMAL)
    )
  ) AS TEXT) AS m39,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHFLOAT8EXTENDED(v3, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHFLOAT8EXTENDED(v3, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHFLOAT8EXTENDED(v3, 0) & 4095
        ) = 0
      ) AS INT) = 0)
  ) AS TEXT) AS m40,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHFLOAT8EXTENDED(v3, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHFLOAT8EXTENDED(v3, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHFLOAT8EXTENDED(v3, 0) & 4095
        ) = 0
      ) AS INT) = 1)
  ) AS TEXT) AS m41,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHFLOAT8EXTENDED(v3, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHFLOAT8EXTENDED(v3, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHFLOAT8EXTENDED(v3, 0) & 4095
        ) = 0
      ) AS INT) = 2)
  ) AS TEXT) AS m42,
  COUNT(r4) AS m43,
  COUNT(*) FILTER(WHERE
    r4 = 'infinity') AS m44,
  COUNT(v4) AS m45,
  MIN(v4) AS m46,
  MAX(v4) AS m47,
  SUM((
    v4 - CAST('21477.5' AS DOUBLE PRECISION)
  )) AS m48,
  SUM(
    (
      v4 - CAST('21477.5' AS DOUBLE PRECISION)
    ) * (
      v4 - CAST('21477.5' AS DOUBLE PRECISION)
    )
  ) AS m49,
  SUM(GREATEST(v4 - CAST('22501.5' AS DOUBLE PRECISION), 0)) AS m50,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CASE
              WHEN v4 IS NULL
              THEN 0
              ELSE CAST(LEAST(
                GREATEST(
                  FLOOR((
                    v4 - CAST('20453.5' AS DOUBLE PRECISION)
                  ) * CAST('1.0' AS DOUBLE PRECISION)),
                  -1
                ),
                2048
              ) AS INT) + 1
            END
          )
        )
      ) AS DECIMAL)
    )
  ) AS TEXT) AS m51,
  COUNT(r5) AS m52,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CASE
              WHEN v5 IS NULL
              THEN 0
              ELSE 1 + COALESCE(
                ARRAY_POSITION(CAST(ARRAY['false', 'true'] AS TEXT[]), v5) - 1,
                2 + CAST((
                  HASHTEXTEXTENDED(v5, 0) & 255
                ) AS INT)
              )
            END
          )
        )
      ) AS DECIMAL)
    )
  ) AS TEXT) AS m53,
  COUNT(r6) AS m54,
  COUNT(*) FILTER(WHERE
    r6 = 'infinity') AS m55,
  COUNT(v6) AS m56,
  MIN(v6) AS m57,
  MAX(v6) AS m58,
  SUM((
    v6 - CAST('1767225619500019.5' AS DOUBLE PRECISION)
  )) AS m59,
  SUM(
    (
      v6 - CAST('1767225619500019.5' AS DOUBLE PRECISION)
    ) * (
      v6 - CAST('1767225619500019.5' AS DOUBLE PRECISION)
    )
  ) AS m60,
  SUM(GREATEST(v6 - CAST('1767225639000039.0' AS DOUBLE PRECISION), 0)) AS m61,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CASE
              WHEN v6 IS NULL
              THEN 0
              ELSE CAST(LEAST(
                GREATEST(
                  FLOOR(
                    (
                      v6 - CAST('1767225600000000.0' AS DOUBLE PRECISION)
                    ) * CAST('5.251276800005251e-05' AS DOUBLE PRECISION)
                  ),
                  -1
                ),
                2048
              ) AS INT) + 1
            END
          )
        )
      ) AS DECIMAL)
    )
  ) AS TEXT) AS m62,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHFLOAT8EXTENDED(v6, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHFLOAT8EXTENDED(v6, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHFLOAT8EXTENDED(v6, 0) & 4095
        ) = 0
      ) AS INT) = 0)
  ) AS TEXT) AS m63,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHFLOAT8EXTENDED(v6, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHFLOAT8EXTENDED(v6, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHFLOAT8EXTENDED(v6, 0) & 4095
        ) = 0
      ) AS INT) = 1)
  ) AS TEXT) AS m64,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHFLOAT8EXTENDED(v6, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHFLOAT8EXTENDED(v6, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHFLOAT8EXTENDED(v6, 0) & 4095
        ) = 0
      ) AS INT) = 2)
  ) AS TEXT) AS m65,
  COUNT(r7) AS m66,
  COUNT(*) FILTER(WHERE
    r7 = 'infinity') AS m67,
  COUNT(v7) AS m68,
  MIN(v7) AS m69,
  MAX(v7) AS m70,
  SUM((
    v7 - CAST('1767225619500019.5' AS DOUBLE PRECISION)
  )) AS m71,
  SUM(
    (
      v7 - CAST('1767225619500019.5' AS DOUBLE PRECISION)
    ) * (
      v7 - CAST('1767225619500019.5' AS DOUBLE PRECISION)
    )
  ) AS m72,
  SUM(GREATEST(v7 - CAST('1767225639000039.0' AS DOUBLE PRECISION), 0)) AS m73,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CASE
              WHEN v7 IS NULL
              THEN 0
              ELSE CAST(LEAST(
                GREATEST(
                  FLOOR(
                    (
                      v7 - CAST('1767225600000000.0' AS DOUBLE PRECISION)
                    ) * CAST('5.251276800005251e-05' AS DOUBLE PRECISION)
                  ),
                  -1
                ),
                2048
              ) AS INT) + 1
            END
          )
        )
      ) AS DECIMAL)
    )
  ) AS TEXT) AS m74,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHFLOAT8EXTENDED(v7, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHFLOAT8EXTENDED(v7, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHFLOAT8EXTENDED(v7, 0) & 4095
        ) = 0
      ) AS INT) = 0)
  ) AS TEXT) AS m75,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHFLOAT8EXTENDED(v7, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHFLOAT8EXTENDED(v7, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHFLOAT8EXTENDED(v7, 0) & 4095
        ) = 0
      ) AS INT) = 1)
  ) AS TEXT) AS m76,
  CAST((
    SUM(
      CAST((
        '1e' || (
          12 * (
            CAST((
              (
                HASHFLOAT8EXTENDED(v7, 0) >> 20
              ) & 8191
            ) AS INT)
          )
        )
      ) AS DECIMAL)
    ) FILTER(WHERE
      CAST((
        (
          HASHFLOAT8EXTENDED(v7, 0) & 63
        ) = 0
      ) AS INT) + CAST((
        (
          HASHFLOAT8EXTENDED(v7, 0) & 4095
        ) = 0
      ) AS INT) = 2)
  ) AS TEXT) AS m77
FROM batch
