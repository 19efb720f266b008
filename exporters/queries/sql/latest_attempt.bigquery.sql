SELECT status,
       JSON_VALUE(data_summary, '$.record_count') AS records,
       triggered_at,
       FORMAT_TIMESTAMP('%I:%M %p', triggered_at, @clock_zone) AS time_et
FROM `{dataset}.scraper_execution_log_between`(DATE_SUB(@date, INTERVAL 1 DAY), DATE '9999-12-31')
WHERE DATE(triggered_at, @zone) = @date
  AND scraper_name = @scraper
ORDER BY triggered_at DESC, run_id DESC, attempt DESC
LIMIT 1
