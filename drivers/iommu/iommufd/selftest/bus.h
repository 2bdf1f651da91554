/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The bus of the mock devices.
 */
#ifndef __IOMMUFD_SELFTEST_BUS_H
#define __IOMMUFD_SELFTEST_BUS_H

struct bus_type;

extern const struct bus_type mock_bus;
#endif
