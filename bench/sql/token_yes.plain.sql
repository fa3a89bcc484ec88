\set jti random(:base, :base + :keys - 1)
SELECT EXISTS (SELECT FROM plain_revoked WHERE jti = :jti AND expires_at > now());
