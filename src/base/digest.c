/*
 * digest.c
 *		SHA-256 (FIPS 180-4) of bytes that must not be kept as they are.
 *
 * PostgreSQL's own goes through OpenSSL, which looks the algorithm up and
 * allocates a context for every hash: for a token that takes ten times as long
 * as the hash, and half of the time of reading a session from memory.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"

#include "base/digest.h"

#define BLOCK_SIZE	64

static const uint32 round_constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
};

static inline uint32
rotate(uint32 word, int n)
{
	return word >> n | word << (32 - n);
}

/* The word that round i + 16 adds, from the sixteen before it. */
static inline uint32
expand(const uint32 *w, int i)
{
	uint32		a = w[(i + 1) & 15];
	uint32		b = w[(i + 14) & 15];

	return w[i & 15] + w[(i + 9) & 15] +
		(rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
		(rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
}

static void
add_block(uint32 *state, const uint8 *block)
{
	uint32		w[16];
	uint32		s[8];

	memcpy(s, state, sizeof(s));
	memcpy(w, block, sizeof(w));
	for (int i = 0; i < 16; i++)
		w[i] = pg_ntoh32(w[i]);

	for (int i = 0; i < 64; i++)
	{
		uint32		sum1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
		uint32		choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
		uint32		t1 = s[7] + sum1 + choice + round_constants[i] + w[i & 15];
		uint32		sum0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
		uint32		majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);

		w[i & 15] = expand(w, i);
		s[7] = s[6];
		s[6] = s[5];
		s[5] = s[4];
		s[4] = s[3] + t1;
		s[3] = s[2];
		s[2] = s[1];
		s[1] = s[0];
		s[0] = t1 + sum0 + majority;
	}
	for (int i = 0; i < 8; i++)
		state[i] += s[i];
}

/*
 * Leave the SHA-256 of "size" bytes in "digest".
 */
void
covet_digest(const void *bytes, Size size, uint8 digest[COVET_DIGEST_SIZE])
{
	uint32		state[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
	};
	const uint8 *at = bytes;
	Size		left = size;
	uint8		tail[2 * BLOCK_SIZE] = {0};
	Size		tail_size;
	uint64		bits = pg_hton64((uint64) size * 8);

	for (; left >= BLOCK_SIZE; at += BLOCK_SIZE, left -= BLOCK_SIZE)
		add_block(state, at);

	/* A one bit, zeroes, and the number of bits end the last block. */
	memcpy(tail, at, left);
	tail[left] = 0x80;
	tail_size = left + 1 + sizeof(bits) <= BLOCK_SIZE ? BLOCK_SIZE : 2 * BLOCK_SIZE;
	memcpy(tail + tail_size - sizeof(bits), &bits, sizeof(bits));
	for (at = tail; at < tail + tail_size; at += BLOCK_SIZE)
		add_block(state, at);

	for (int i = 0; i < 8; i++)
		state[i] = pg_hton32(state[i]);
	memcpy(digest, state, COVET_DIGEST_SIZE);
}
