SELECT COUNT(*) AS attempts_today,
       COUNT(CASE WHEN status = 'success'
                   AND CAST(json_extract(data_summary, '$.record_count') AS INTEGER) > 0 THEN 1 END) AS found_data,
       COUNT(CASE WHEN status = 'no_data' THEN 1 END) AS no_data_yet,
       COUNT(CASE WHEN status = 'failed' THEN 1 END) AS failures
FROM scraper_execution_log
WHERE triggered_at >= @day_start
  AND triggered_at < @day_end
  AND scraper_name = @scraper
