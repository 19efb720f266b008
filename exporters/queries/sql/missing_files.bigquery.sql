WITH latest_cleanup AS (
  SELECT missing_files
  FROM `{dataset}.cleanup_operations_between`(
         DATE_SUB(DATE(TIMESTAMP_SUB(@now, INTERVAL @days DAY)), INTERVAL 1 DAY), DATE '9999-12-31')
  WHERE cleanup_time >= TIMESTAMP_SUB(@now, INTERVAL @days DAY)
  ORDER BY cleanup_time DESC, event_id
  LIMIT 1
)
SELECT file.scraper_name, file.gcs_path, file.age_minutes, file.republished,
       CASE
         WHEN file.age_minutes > 240 THEN 'CRITICAL (>4h)'
         WHEN file.age_minutes > 120 THEN 'WARNING (>2h)'
         ELSE 'RECENT (<2h)'
       END AS urgency
FROM latest_cleanup, UNNEST(missing_files) AS file
ORDER BY file.age_minutes DESC, file.scraper_name, file.gcs_path
