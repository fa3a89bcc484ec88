SELECT count(covet.session_create(:value, (:base::bigint + i)::text)) FROM generate_series(1, :per) AS i;
