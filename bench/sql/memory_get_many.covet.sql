SELECT covet.cache_get_many(:key_list, 'memory');
