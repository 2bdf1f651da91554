/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * SHA-256 as FIPS 180-4 defines it.
 */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>

#define SHA256_HEX_SIZE	65	/* 64 digits and the 0 */

void sha256_hex(const void *data, size_t length, char hex[SHA256_HEX_SIZE]);

#endif
