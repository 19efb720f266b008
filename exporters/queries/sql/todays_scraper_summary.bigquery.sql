SELECT scraper_name, COUNT(*) AS runs, COUNTIF(status = 'success') AS successes
FROM `{dataset}.scraper_execution_log_between`(DATE_SUB(@date, INTERVAL 1 DAY), DATE '9999-12-31')
WHERE DATE(triggered_at, @zone) = @date
GROUP BY scraper_name
ORDER BY scraper_name
