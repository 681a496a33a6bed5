WITH source AS (
  SELECT
    "id" AS r0,
    "Größe" AS r1,
    "s" AS r2,
    """; drop table x; --" AS r3,
    "day" AS r4,
    "ok" AS r5
  FROM "shop"."Orders ""2026"""
), batch AS (
  SELECT
    r0 AS c0,
    IF(IS_NAN(CAST(r1 AS DOUBLE)), NULL, CAST(r1 AS DOUBLE)) AS c1,
    r2 AS c2,
    r3 AS c3,
    r4 AS c4,
    r5 AS c5
  FROM source
), step0 AS (
  SELECT
    *,
    COUNT(*) OVER (PARTITION BY (
      TRUE AND NOT c1 IS NULL
    )) AS w0,
    COUNT(*) OVER (PARTITION BY (
      TRUE AND NOT c2 IS NULL
    ), c2) AS w1,
    COUNT(*) OVER (PARTITION BY (
      TRUE AND NOT c0 IS NULL
    ), c0) AS w2,
    COUNT(*) OVER (
      PARTITION BY (
        COALESCE(c0 > 1, FALSE) AND (
          NOT c0 IS NULL OR NOT c1 IS NULL
        )
      ), c0, c1
    ) AS w3,
    ROW_NUMBER() OVER (PARTITION BY (
      TRUE AND NOT c1 IS NULL
    ) ORDER BY c1) AS w4,
    STDDEV_SAMP(
      CASE
        WHEN ABS(CAST(c1 AS DOUBLE)) > CAST('1e+140' AS DOUBLE)
        THEN CAST('Infinity' AS DOUBLE)
        ELSE CAST(c1 AS DOUBLE)
      END
    ) OVER (PARTITION BY (
      TRUE AND NOT c1 IS NULL
    )) AS w5,
    AVG(
      CASE
        WHEN ABS(CAST(c1 AS DOUBLE)) > CAST('1e+140' AS DOUBLE)
        THEN CAST('Infinity' AS DOUBLE)
        ELSE CAST(c1 AS DOUBLE)
      END
    ) OVER (PARTITION BY (
      TRUE AND NOT c1 IS NULL
    )) AS w6
  FROM batch
), step1 AS (
  SELECT
    *,
    DENSE_RANK() OVER (PARTITION BY (
      TRUE AND NOT c2 IS NULL
    ) ORDER BY w1 DESC, c2) AS w7,
    MAX(w1) OVER (PARTITION BY (
      TRUE AND NOT c2 IS NULL
    )) AS w8
  FROM step0
)
SELECT
  COUNT(*) AS m0,
  COUNT(CASE WHEN NOT c0 IS NULL THEN 1 END) AS m1,
  COUNT(CASE WHEN NOT c0 IS NULL AND w2 > 1 THEN 1 END) AS m2,
  COUNT(CASE WHEN COALESCE(c0 > 1, FALSE) THEN 1 END) AS m3,
  COUNT(
    CASE
      WHEN COALESCE(c0 > 1, FALSE) AND (
        NOT c0 IS NULL OR NOT c1 IS NULL
      )
      THEN 1
    END
  ) AS m4,
  COUNT(
    CASE
      WHEN COALESCE(c0 > 1, FALSE) AND (
        NOT c0 IS NULL OR NOT c1 IS NULL
      ) AND w3 > 1
      THEN 1
    END
  ) AS m5,
  COUNT(c4) AS m6,
  COUNT(CASE WHEN NOT (
    c4 <= CAST('2026-01-01 00:00:00' AS TIMESTAMP(6))
  ) THEN 1 END) AS m7,
  COUNT(c2) AS m8,
  COUNT(CASE WHEN NOT (
    (
      c2 IN ('it''s', 'a\b', 'ü')
    )
  ) THEN 1 END) AS m9,
  COUNT(
    CASE
      WHEN NOT (
        (
          REGEXP_LIKE(c2, '^[A-Z]{2}[0-9]+(?:\n?\z)')
        )
      )
      THEN 1
    END
  ) AS m10,
  COUNT(CASE WHEN REGEXP_LIKE(c2, '[^\x01-\x7f]') THEN 1 END) AS m11,
  COUNT(CASE WHEN NOT (
    (
      c2 LIKE 'a_%'
    )
  ) THEN 1 END) AS m12,
  COUNT(CASE WHEN NOT (
    LENGTH(c2) = 2
  ) THEN 1 END) AS m13,
  COUNT(c1) AS m14,
  STDDEV_SAMP(
    CASE
      WHEN ABS(CAST(c1 AS DOUBLE)) > CAST('1e+140' AS DOUBLE)
      THEN CAST('Infinity' AS DOUBLE)
      ELSE CAST(c1 AS DOUBLE)
    END
  ) AS m15,
  COUNT(CASE WHEN NOT c1 IS NULL AND ABS(CAST(c1 AS DOUBLE) - w6) >= 3 * w5 THEN 1 END) AS m16,
  AVG(
    CASE
      WHEN ABS(CAST(c1 AS DOUBLE)) > CAST('1e+140' AS DOUBLE)
      THEN CAST('Infinity' AS DOUBLE)
      ELSE CAST(c1 AS DOUBLE)
    END
  ) FILTER(WHERE
    NOT c1 IS NULL AND 2 * w4 BETWEEN w0 AND w0 + 2) AS m17,
  AVG(
    CASE
      WHEN ABS(CAST(c3 AS DOUBLE)) > CAST('1e+140' AS DOUBLE)
      THEN CAST('Infinity' AS DOUBLE)
      ELSE CAST(c3 AS DOUBLE)
    END
  ) AS m18,
  COUNT(c3) AS m19,
  SUM(CAST(c0 AS DECIMAL(38, 0))) AS m20,
  COUNT(c0) AS m21,
  CAST((
    MAX(c4)
  ) AS VARCHAR) AS m22,
  MIN(CAST(c5 AS INTEGER)) AS m23,
  COUNT(c5) AS m24,
  MAX(c1) FILTER(WHERE
    NOT c1 IS NULL
    AND w4 - 1 = FLOOR((
      CAST(0.9 AS DOUBLE) * (
        w0 - 1
      )
    )) + CASE
      WHEN (
        CAST(0.9 AS DOUBLE) * (
          w0 - 1
        )
      ) - FLOOR((
        CAST(0.9 AS DOUBLE) * (
          w0 - 1
        )
      )) > 0.5
      OR (
        (
          CAST(0.9 AS DOUBLE) * (
            w0 - 1
          )
        ) - FLOOR((
          CAST(0.9 AS DOUBLE) * (
            w0 - 1
          )
        )) = 0.5
        AND FLOOR(CAST((
          CAST(0.9 AS DOUBLE) * (
            w0 - 1
          )
        ) AS DOUBLE) / 2) * 2 < FLOOR((
          CAST(0.9 AS DOUBLE) * (
            w0 - 1
          )
        ))
      )
      THEN 1
      ELSE 0
    END) AS m25,
  MAX(w7) FILTER(WHERE
    NOT c2 IS NULL AND w1 = w8) AS m26,
  ARRAY_AGG(DISTINCT c2) FILTER(WHERE
    NOT c2 IS NULL AND w1 = w8 AND w7 <= 1000) AS m27,
  COUNT(DISTINCT c2) FILTER(WHERE
    (
      c2 IN ('a', 'b')
    )) AS m28,
  COUNT(DISTINCT c2) AS m29,
  COUNT(CASE WHEN (
    NOT c0 IS NULL OR NOT c1 IS NULL
  ) THEN 1 END) AS m30,
  COUNT(
    CASE
      WHEN (
        NOT c0 IS NULL OR NOT c1 IS NULL
      )
      AND NOT (
        (
          NOT c0 IS NULL AND NOT c1 IS NULL AND c0 = c1
        )
      )
      THEN 1
    END
  ) AS m31,
  COUNT(
    CASE
      WHEN (
        NOT c0 IS NULL OR NOT c1 IS NULL
      ) AND NOT (
        c0 IS DISTINCT FROM c1
      )
      THEN 1
    END
  ) AS m32,
  COUNT(
    CASE
      WHEN (
        NOT c0 IS NULL OR NOT c1 IS NULL
      )
      AND NOT (
        COALESCE(
          CAST(c0 AS DOUBLE) + CASE
            WHEN ABS(CAST(c1 AS DOUBLE)) > CAST('1e+140' AS DOUBLE)
            THEN CAST('Infinity' AS DOUBLE)
            ELSE CAST(c1 AS DOUBLE)
          END = CAST(3 AS DOUBLE),
          FALSE
        )
      )
      THEN 1
    END
  ) AS m33
FROM step1
