SELECT processor_name, run_id, retry_attempt, phase, status, trigger_source, trigger_message_id, parent_processor,
       dependency_check_passed, missing_dependencies, stale_dependencies, alert_sent, alert_type, errors, started_at,
       duration_seconds
FROM `{dataset}.processor_run_history_between`(DATE_SUB(DATE(@now), INTERVAL @days DAY), DATE '9999-12-31')
WHERE STRPOS(run_id, @run_id) > 0
ORDER BY started_at DESC, processor_name, run_id, retry_attempt
