SELECT floor_get_many(:key_list);
