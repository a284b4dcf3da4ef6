UPDATE background_service_jobs SET created_at = strftime('%Y-%m-%dT%H:%M:%fZ', created_at)
WHERE id = ? AND typeof(created_at) = 'text' AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS NOT NULL
