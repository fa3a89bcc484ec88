SELECT key, value FROM plain_cache WHERE key = ANY(:key_list) AND expires_at > now();
