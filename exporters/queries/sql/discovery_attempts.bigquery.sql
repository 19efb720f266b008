SELECT COUNT(*) AS attempts_today,
       COUNTIF(status = 'success'
               AND SAFE_CAST(JSON_VALUE(data_summary, '$.record_count') AS INT64) > 0) AS found_data,
       COUNTIF(status = 'no_data') AS no_data_yet,
       COUNTIF(status = 'failed') AS failures
FROM `{dataset}.scraper_execution_log_between`(DATE_SUB(@date, INTERVAL 1 DAY), DATE '9999-12-31')
WHERE DATE(triggered_at, @zone) = @date
  AND scraper_name = @scraper
