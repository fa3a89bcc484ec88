\set jti random(:base + :keys, :base + 2 * :keys - 1)
SELECT EXISTS (SELECT FROM plain_revoked WHERE jti = :jti AND expires_at > now());
