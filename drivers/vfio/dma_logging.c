// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA logging: which pages has a device written?
 *
 * A driver that can track the DMA of its device sets log_ops.  Here the user's
 * ranges and bitmaps are checked and brought into the form that the driver
 * takes: an interval tree, and an iova_bitmap.  Whether logging is on is known
 * to the driver alone, who refuses what does not fit.
 *
 * No state and no locks of its own.  Calls the iova_bitmap room of iommufd.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/interval_tree.h>
#include <linux/iova_bitmap.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "dma_logging.h"

/* What the uAPI promises to accept: as many ranges as a page holds. */
#define LOG_RANGES_MAX \
	(PAGE_SIZE / sizeof(struct vfio_device_feature_dma_logging_range))

/* The smallest unit that a report can have. */
#define LOG_REPORT_PAGE_MIN	SZ_4K

/* is_power_of_2() would look at half of a u64 on 32 bit. */
static bool log_page_size_valid(u64 page_size)
{
	return hweight64(page_size) == 1;
}

/*
 * The last IOVA of a range of user numbers: -EINVAL if it is empty, -EOVERFLOW
 * if it ends beyond what an unsigned long, or a u64, can count.
 */
static int log_range_last(u64 iova, u64 length, unsigned long *last)
{
	u64 end;

	if (!length)
		return -EINVAL;
	if (check_add_overflow(iova, length, &end) || end > ULONG_MAX)
		return -EOVERFLOW;
	*last = end - 1;
	return 0;
}

static struct interval_tree_node *range_first(struct rb_root_cached *ranges)
{
	return interval_tree_iter_first(ranges, 0, ULONG_MAX);
}

static struct interval_tree_node *range_next(struct interval_tree_node *range)
{
	return interval_tree_iter_next(range, 0, ULONG_MAX);
}

/* How far two neighbours are apart. */
static unsigned long range_gap(const struct interval_tree_node *left,
			       const struct interval_tree_node *right)
{
	return right->start > left->last ? right->start - left->last : 0;
}

/* How many gaps are not wider than @width? */
static u32 range_count_gaps(struct rb_root_cached *ranges, unsigned long width)
{
	struct interval_tree_node *left, *right;
	u32 count = 0;

	for (left = range_first(ranges); left; left = right) {
		right = range_next(left);
		if (right && range_gap(left, right) <= width)
			count++;
	}
	return count;
}

/* The smallest width such that @count gaps are not wider, or ULONG_MAX. */
static unsigned long range_gap_width(struct rb_root_cached *ranges, u32 count)
{
	unsigned long low = 0, high = ULONG_MAX;

	while (low < high) {
		unsigned long mid = low + (high - low) / 2;

		if (range_count_gaps(ranges, mid) >= count)
			high = mid;
		else
			low = mid + 1;
	}
	return high;
}

/* @left takes in its neighbour @right, which leaves the tree. */
static void range_merge(struct rb_root_cached *ranges,
			struct interval_tree_node *left,
			struct interval_tree_node *right)
{
	interval_tree_remove(right, ranges);
	interval_tree_remove(left, ranges);
	left->last = max(left->last, right->last);
	interval_tree_insert(left, ranges);
}

/**
 * vfio_combine_iova_ranges - Cover ranges with fewer of them
 * @root: Disjoint ranges, as log_start() got them
 * @cur_nodes: How many there are
 * @req_nodes: How many there may be, at least one
 *
 * For a device that tracks only a few ranges.  The narrowest gaps are closed, so
 * that the device tracks as little as possible that nobody asked for; of gaps
 * that are as wide as each other, those at lower addresses first.  Nodes that
 * are no longer needed leave the tree; their memory stays the caller's.
 *
 * Context: Any; the caller owns the tree.  Allocates nothing; takes time in
 * proportion to @cur_nodes.
 */
void vfio_combine_iova_ranges(struct rb_root_cached *root, u32 cur_nodes,
			      u32 req_nodes)
{
	struct interval_tree_node *left, *right;
	unsigned long width;
	u32 close, equal;

	req_nodes = max(req_nodes, 1);
	if (cur_nodes <= req_nodes)
		return;

	/* Every gap below @width is closed, and @equal of those that reach it. */
	close = cur_nodes - req_nodes;
	width = range_gap_width(root, close);
	equal = close - (width ? range_count_gaps(root, width - 1) : 0);

	left = range_first(root);
	while (left && close) {
		right = range_next(left);
		if (!right)
			break;
		if (range_gap(left, right) > width ||
		    (range_gap(left, right) == width && !equal)) {
			left = right;
			continue;
		}
		if (range_gap(left, right) == width)
			equal--;
		range_merge(root, left, right);
		close--;
	}
}
EXPORT_SYMBOL_GPL(vfio_combine_iova_ranges);

/* Put the @count ranges at @user into @root; their nodes are in @nodes. */
static int log_build_ranges(struct rb_root_cached *root,
			    struct interval_tree_node *nodes,
			    const void __user *user, u32 count, u64 page_size)
{
	struct vfio_device_feature_dma_logging_range *ranges __free(kfree) =
		memdup_array_user(user, count, sizeof(*ranges));
	u32 i;
	int rc;

	if (IS_ERR(ranges))
		return PTR_ERR(ranges);

	for (i = 0; i < count; i++) {
		if ((ranges[i].iova | ranges[i].length) & (page_size - 1))
			return -EINVAL;
		rc = log_range_last(ranges[i].iova, ranges[i].length,
				    &nodes[i].last);
		if (rc)
			return rc;
		nodes[i].start = ranges[i].iova;
		if (interval_tree_iter_first(root, nodes[i].start,
					     nodes[i].last))
			return -EINVAL;
		interval_tree_insert(&nodes[i], root);
	}
	return 0;
}

static int log_start(struct vfio_device *device,
		     struct vfio_device_feature_dma_logging_control *control)
{
	struct interval_tree_node *nodes __free(kfree) = NULL;
	struct rb_root_cached root = RB_ROOT_CACHED;
	int rc;

	if (!log_page_size_valid(control->page_size) || !control->num_ranges)
		return -EINVAL;
	if (control->num_ranges > LOG_RANGES_MAX)
		return -E2BIG;

	nodes = kmalloc_objs(*nodes, control->num_ranges, GFP_KERNEL_ACCOUNT);
	if (!nodes)
		return -ENOMEM;

	rc = log_build_ranges(&root, nodes, u64_to_user_ptr(control->ranges),
			      control->num_ranges, control->page_size);
	if (rc)
		return rc;

	/* The driver copies what it needs; the tree ends with this call. */
	return device->log_ops->log_start(device, &root, control->num_ranges,
					  &control->page_size);
}

/**
 * vfio_feature_logging_start - VFIO_DEVICE_FEATURE_DMA_LOGGING_START: begin to
 *				log writes
 * @device: The device
 * @flags: Feature number, SET and PROBE bits
 * @data: struct vfio_device_feature_dma_logging_control in user memory
 * @size: Bytes that the user has there
 *
 * The page size that the driver chose is written back.  If that fails, logging
 * is stopped again.
 *
 * Context: An ioctl of an open device.
 * Return: 0; -ENOTTY when the device cannot log, -EFAULT, -ENOMEM, -E2BIG when
 * there are more ranges than a page holds, -EOVERFLOW when a range ends beyond
 * the address space, or the driver's refusal; -EINVAL for GET, no operation, a
 * short @size, no range, a page size that is not a power of two, and a range
 * that is empty, not made of whole pages, or overlaps another.
 */
int vfio_feature_logging_start(struct vfio_device *device, u32 flags,
			       void __user *data, size_t size)
{
	const size_t min_size =
		offsetofend(struct vfio_device_feature_dma_logging_control,
			    ranges);
	struct vfio_device_feature_dma_logging_control control;
	int rc;

	if (!device->log_ops)
		return -ENOTTY;

	rc = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_SET, min_size);
	if (rc != 1)
		return rc;

	if (copy_from_user(&control, data, min_size))
		return -EFAULT;

	rc = log_start(device, &control);
	if (rc)
		return rc;

	if (copy_to_user(data, &control, min_size)) {
		device->log_ops->log_stop(device);
		return -EFAULT;
	}
	return 0;
}

/**
 * vfio_feature_logging_stop - VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP: log no more
 * @device: The device
 * @flags: Feature number, SET and PROBE bits
 * @data: Not used, the feature has no data
 * @size: Not used
 *
 * Context: An ioctl of an open device.
 * Return: 0; -ENOTTY when the device cannot log, -EINVAL for GET or no
 * operation, or the driver's refusal.
 */
int vfio_feature_logging_stop(struct vfio_device *device, u32 flags,
			      void __user *data, size_t size)
{
	int rc;

	if (!device->log_ops)
		return -ENOTTY;

	rc = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_SET, 0);
	if (rc != 1)
		return rc;

	return device->log_ops->log_stop(device);
}

/* One window of the user's bitmap is in place; let the driver fill it. */
static int log_report_window(struct iova_bitmap *bitmap, unsigned long iova,
			     size_t length, void *opaque)
{
	struct vfio_device *device = opaque;

	return device->log_ops->log_read_and_clear(device, iova, length,
						   bitmap);
}

static int
log_report(struct vfio_device *device,
	   const struct vfio_device_feature_dma_logging_report *report)
{
	struct iova_bitmap *bitmap;
	unsigned long last;
	int rc;

	if (report->page_size < LOG_REPORT_PAGE_MIN ||
	    report->page_size > ULONG_MAX ||
	    !log_page_size_valid(report->page_size))
		return -EINVAL;
	rc = log_range_last(report->iova, report->length, &last);
	if (rc)
		return rc;

	bitmap = iova_bitmap_alloc(report->iova, report->length,
				   report->page_size,
				   u64_to_user_ptr(report->bitmap));
	if (IS_ERR(bitmap))
		return PTR_ERR(bitmap);

	rc = iova_bitmap_for_each(bitmap, device, log_report_window);
	iova_bitmap_free(bitmap);
	return rc;
}

/**
 * vfio_feature_logging_report - VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT: read
 *				 and clear the log
 * @device: The device
 * @flags: Feature number, GET and PROBE bits
 * @data: struct vfio_device_feature_dma_logging_report in user memory
 * @size: Bytes that the user has there
 *
 * Sets a bit for each page that was written, and clears none.
 *
 * Context: An ioctl of an open device.
 * Return: 0; -ENOTTY when the device cannot log, -EFAULT, -ENOMEM, -EOVERFLOW
 * when the range ends beyond the address space, or the driver's refusal; -EINVAL
 * for SET, no operation, a short @size, an empty range, and a page size that is
 * below 4 KiB or not a power of two.  After an error every page counts as
 * written.
 */
int vfio_feature_logging_report(struct vfio_device *device, u32 flags,
				void __user *data, size_t size)
{
	const size_t min_size =
		offsetofend(struct vfio_device_feature_dma_logging_report,
			    bitmap);
	struct vfio_device_feature_dma_logging_report report;
	int rc;

	if (!device->log_ops)
		return -ENOTTY;

	rc = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_GET, min_size);
	if (rc != 1)
		return rc;

	if (copy_from_user(&report, data, min_size))
		return -EFAULT;

	return log_report(device, &report);
}

MODULE_IMPORT_NS("IOMMUFD");
