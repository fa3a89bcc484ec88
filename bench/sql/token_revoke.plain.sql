\set jti random(4 * :base, 5 * :base - 1)
INSERT INTO plain_revoked VALUES (:jti, now() + interval '1 hour') ON CONFLICT (jti) DO UPDATE SET expires_at = greatest(plain_revoked.expires_at, excluded.expires_at);
