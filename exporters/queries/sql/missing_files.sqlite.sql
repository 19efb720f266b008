WITH latest_cleanup AS (
  SELECT missing_files
  FROM cleanup_operations
  WHERE cleanup_time >= @now - @days * 86400000000
  ORDER BY cleanup_time DESC, event_id
  LIMIT 1
),
files AS (
  SELECT json_extract(file.value, '$.scraper_name') AS scraper_name,
         json_extract(file.value, '$.gcs_path') AS gcs_path,
         CAST(json_extract(file.value, '$.age_minutes') AS REAL) AS age_minutes,
         json_extract(file.value, '$.republished') AS republished
  FROM latest_cleanup, json_each(latest_cleanup.missing_files) AS file
)
SELECT scraper_name, gcs_path, age_minutes, republished,
       CASE
         WHEN age_minutes > 240 THEN 'CRITICAL (>4h)'
         WHEN age_minutes > 120 THEN 'WARNING (>2h)'
         ELSE 'RECENT (<2h)'
       END AS urgency
FROM files
ORDER BY age_minutes DESC, scraper_name, gcs_path
