// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The bus of the mock devices.  It has no drivers; what is on it is a mock device.
 */
#include <linux/device.h>

#include "../test_hooks.h"
#include "bus.h"

const struct bus_type mock_bus = {
	.name = "iommufd_mock",
};

/**
 * iommufd_selftest_is_mock_dev - was this device made by the selftest?
 * @dev: any device
 *
 * Context: any.
 * Return: true for a mock device.
 */
bool iommufd_selftest_is_mock_dev(const struct device *dev)
{
	return dev->bus == &mock_bus;
}
