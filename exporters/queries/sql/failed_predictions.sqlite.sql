SELECT request_id, player_lookup, game_date, success, trigger_source, trigger_message_id, cloud_run_service, run_date
FROM prediction_worker_runs
WHERE run_date >= @now - @hours * 3600000000
  AND NOT success
ORDER BY run_date DESC, request_id, retry_attempt, job_name
