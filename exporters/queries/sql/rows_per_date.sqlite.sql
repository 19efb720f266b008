SELECT data_date AS "date", COUNT(*) AS count, SUM(records_processed) AS records
FROM processor_run_history
WHERE data_date >= date(@now / 1000000, 'unixepoch', '-' || @days || ' day')
  AND (@processor = '' OR processor_name = @processor)
  AND updated_at >= (@now / 86400000000 - @days - @days_ahead) * 86400000000
GROUP BY data_date
ORDER BY data_date DESC
