SELECT data_date AS date, COUNT(*) AS count, SUM(records_processed) AS records
FROM `{dataset}.processor_run_history_between`(
       DATE_SUB(DATE_SUB(DATE(@now), INTERVAL @days DAY), INTERVAL @days_ahead DAY), DATE '9999-12-31')
WHERE data_date >= DATE_SUB(DATE(@now), INTERVAL @days DAY)
  AND (@processor = '' OR processor_name = @processor)
GROUP BY data_date
ORDER BY data_date DESC
