SELECT request_id, player_lookup, game_date, success, trigger_source, trigger_message_id, cloud_run_service, run_date
FROM `{dataset}.prediction_worker_runs_between`(
       DATE_SUB(DATE(TIMESTAMP_SUB(@now, INTERVAL @hours HOUR)), INTERVAL 1 DAY), DATE '9999-12-31')
WHERE run_date >= TIMESTAMP_SUB(@now, INTERVAL @hours HOUR)
  AND NOT success
ORDER BY run_date DESC, request_id, retry_attempt, job_name
