// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The backend "iommufd": the device's own node, attached to an IOAS.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"
#include "iommufd_util.h"
#include "say.h"

static void iommufd_backend_open(struct bench *bench, const char *bdf)
{
	bench->iommufd = iommufd_open();
	must(bench->iommufd, "cannot open /dev/iommu");
	must(ioas_alloc(bench->iommufd, &bench->ioas), "cannot make an IOAS");
	must(vfio_open(&bench->dev, bdf), "cannot open the VFIO device of %s", bdf);
	must(vfio_bind(bench->dev.fd, bench->iommufd, &bench->dev.id), "cannot bind %s", bdf);
	must(vfio_reset(&bench->dev), "cannot reset %s", bdf);
	must(vfio_attach(&bench->dev, bench->ioas), "cannot attach %s", bdf);
}

static void iommufd_backend_close(struct bench *bench)
{
	vfio_close(&bench->dev);
	close(bench->iommufd);
}

static int iommufd_backend_map(struct bench *bench, void *va, size_t length, __u64 iova)
{
	return ioas_map_at(bench->iommufd, bench->ioas, va, length, iova);
}

static int iommufd_backend_unmap(struct bench *bench, __u64 iova, __u64 length)
{
	return ioas_unmap(bench->iommufd, bench->ioas, iova, length);
}

static int iommufd_backend_map_anywhere(struct bench *bench, void *va, size_t length,
					__u64 *iova)
{
	return ioas_map(bench->iommufd, bench->ioas, va, length, iova);
}

static int iommufd_backend_map_file(struct bench *bench, int fd, __u64 offset, size_t length,
				    __u64 iova)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = bench->ioas,
		.fd = fd,
		.start = offset,
		.length = length,
		.iova = iova,
	};

	return ioctl(bench->iommufd, IOMMU_IOAS_MAP_FILE, &cmd) < 0 ? -errno : 0;
}

const struct bench_backend bench_iommufd = {
	.name = "iommufd",
	.open = iommufd_backend_open,
	.close = iommufd_backend_close,
	.map = iommufd_backend_map,
	.unmap = iommufd_backend_unmap,
	.map_anywhere = iommufd_backend_map_anywhere,
	.map_file = iommufd_backend_map_file,
};
