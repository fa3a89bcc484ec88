-- In key order: else two of them deadlock.
INSERT INTO plain_cache SELECT k, v, now() + interval '1 day' FROM unnest(:key_list::text[], :value_list::text[]) AS u(k, v) ORDER BY k ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at;
