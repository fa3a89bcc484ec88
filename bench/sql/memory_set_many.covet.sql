SELECT covet.cache_set_many(:key_list, :value_list, '1 day', 'memory');
