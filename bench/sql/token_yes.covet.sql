\set jti random(:base, :base + :keys - 1)
SELECT covet.token_is_revoked(:jti);
