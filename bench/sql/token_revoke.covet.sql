\set jti random(4 * :base, 5 * :base - 1)
SELECT covet.token_revoke(:jti, now() + interval '1 hour');
