SELECT processor_name, run_id, phase, status, started_at, duration_seconds
FROM `{dataset}.processor_run_history_between`(DATE_SUB(DATE(@now), INTERVAL @days DAY), DATE '9999-12-31')
WHERE trigger_message_id = @message_id
ORDER BY started_at, processor_name, run_id, retry_attempt
