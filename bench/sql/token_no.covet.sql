\set jti random(:base + :keys, :base + 2 * :keys - 1)
SELECT covet.token_is_revoked(:jti);
