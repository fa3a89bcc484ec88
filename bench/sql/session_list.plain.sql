\set user random(:base, :base + :keys / 5 - 1)
SELECT * FROM plain_session WHERE user_id = :user AND expires_at > now() ORDER BY created_at DESC;
