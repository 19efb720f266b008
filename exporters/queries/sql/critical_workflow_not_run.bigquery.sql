SELECT 'workflow_decisions' AS alert_source,
       workflow_name,
       MAX(decision_time) AS last_evaluation,
       DIV(TIMESTAMP_DIFF(@now, MAX(decision_time), MICROSECOND), 3600000000) AS hours_since_last
FROM `{dataset}.workflow_decisions_between`(DATE_SUB(@date, INTERVAL 1 DAY), DATE '9999-12-31')
WHERE DATE(decision_time, @zone) = @date
  AND priority = 'CRITICAL'
GROUP BY workflow_name
HAVING DIV(TIMESTAMP_DIFF(@now, MAX(decision_time), MICROSECOND), 3600000000) > @hours
ORDER BY last_evaluation, workflow_name
