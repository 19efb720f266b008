SELECT phase,
       processor_name,
       COUNT(*) AS runs,
       AVG(duration_seconds) AS avg_duration,
       MAX(duration_seconds) AS max_duration,
       COUNTIF(status = 'failed') AS failures
FROM `{dataset}.processor_run_history_between`(
       DATE_SUB(DATE(TIMESTAMP_SUB(@now, INTERVAL @hours HOUR)), INTERVAL 1 DAY), DATE '9999-12-31')
WHERE run_timestamp >= TIMESTAMP_SUB(@now, INTERVAL @hours HOUR)
GROUP BY phase, processor_name
ORDER BY phase, avg_duration DESC, processor_name
