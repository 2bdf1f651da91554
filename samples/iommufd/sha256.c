// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * SHA-256 as FIPS 180-4 defines it, for a message that is in memory as a whole.
 * The names a to h, w and k are those of the standard.
 */
#include <stdio.h>
#include <string.h>

#include <linux/types.h>

#include "sha256.h"

#define BLOCK	64

static const __u32 k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static __u32 rotate_right(__u32 x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

static __u32 big_endian32(const unsigned char *p)
{
	return (__u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void expand(__u32 w[64], const unsigned char *block)
{
	int t;

	for (t = 0; t < 16; t++)
		w[t] = big_endian32(block + 4 * t);
	for (; t < 64; t++) {
		__u32 x = w[t - 15], y = w[t - 2];
		__u32 s0 = rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3;
		__u32 s1 = rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10;

		w[t] = s1 + w[t - 7] + s0 + w[t - 16];
	}
}

static void compress(__u32 state[8], const unsigned char *block)
{
	__u32 a = state[0], b = state[1], c = state[2], d = state[3];
	__u32 e = state[4], f = state[5], g = state[6], h = state[7];
	__u32 w[64];
	int t;

	expand(w, block);
	for (t = 0; t < 64; t++) {
		__u32 s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
		__u32 s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
		__u32 t1 = h + s1 + ((e & f) ^ (~e & g)) + k[t] + w[t];
		__u32 t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));

		h = g;
		g = f;
		f = e;
		e = d + t1;
		d = c;
		c = b;
		b = a;
		a = t1 + t2;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

/* The rest of the message, a 1 bit, zeros, and the length in bits. */
static void finish(__u32 state[8], const unsigned char *rest, size_t rest_length,
		   __u64 bits)
{
	unsigned char block[2 * BLOCK] = { 0 };
	size_t total = rest_length + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
	size_t i;

	memcpy(block, rest, rest_length);
	block[rest_length] = 0x80;
	for (i = 0; i < 8; i++)
		block[total - 1 - i] = bits >> (8 * i);
	for (i = 0; i < total; i += BLOCK)
		compress(state, block + i);
}

/**
 * sha256_hex() - Hash a message
 * @data: the message
 * @length: its bytes
 * @hex: set to the hash as lower-case hexadecimal digits
 */
void sha256_hex(const void *data, size_t length, char hex[SHA256_HEX_SIZE])
{
	__u32 state[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	const unsigned char *p = data;
	size_t left = length;
	int i;

	for (; left >= BLOCK; left -= BLOCK, p += BLOCK)
		compress(state, p);
	finish(state, p, left, (__u64)length * 8);
	for (i = 0; i < 8; i++)
		snprintf(hex + 8 * i, 9, "%08x", state[i]);
}
