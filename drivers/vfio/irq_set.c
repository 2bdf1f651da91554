// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every driver checks of a VFIO_DEVICE_SET_IRQS call.
 *
 * The call names an interrupt index, a range of its interrupts, what to do with
 * them and, behind the header, an array with one element for each.  Here stands
 * whether the header makes sense at all and how long that array is; whether an
 * index knows the action is for its driver to say.
 *
 * No state, no locks.  Calls nothing of the other rooms.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/overflow.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <linux/vfio.h>

#define IRQ_SET_HEADER_SIZE	offsetofend(struct vfio_irq_set, count)

/* Bytes of one element of the array, or -EINVAL if not exactly one kind is asked for. */
static int irq_set_element_size(u32 flags)
{
	switch (flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		return 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		return sizeof(u8);
	case VFIO_IRQ_SET_DATA_EVENTFD:
		return sizeof(s32);
	default:
		return -EINVAL;
	}
}

static bool irq_set_range_valid(const struct vfio_irq_set *hdr, u32 num_irqs)
{
	u32 end;

	if (check_add_overflow(hdr->start, hdr->count, &end))
		return false;
	return hdr->start < num_irqs && end <= num_irqs;
}

/**
 * vfio_set_irqs_validate_and_prepare - Check the header of VFIO_DEVICE_SET_IRQS
 * @hdr: The header, copied from user space
 * @num_irqs: How many interrupts the index @hdr names has; meaningless, and not
 *            looked at, if there is no such index
 * @max_irq_type: How many indexes the device has
 * @data_size: Where to put the bytes of the array behind the header, which the
 *             caller then copies; zero if the call has none.  May be NULL if the
 *             driver takes no array.
 *
 * Context: Any.
 * Return: 0; -EINVAL when @hdr is shorter than a header, sets an unknown flag,
 * names an index or an interrupt that does not exist or not exactly one kind of
 * data, is too short for its array, or has an array where @data_size is NULL.
 */
int vfio_set_irqs_validate_and_prepare(struct vfio_irq_set *hdr, int num_irqs,
				       int max_irq_type, size_t *data_size)
{
	int element;
	size_t size;

	if (data_size)
		*data_size = 0;

	if (hdr->argsz < IRQ_SET_HEADER_SIZE ||
	    hdr->flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK |
			   VFIO_IRQ_SET_ACTION_TYPE_MASK))
		return -EINVAL;

	if (max_irq_type < 0 || hdr->index >= max_irq_type || num_irqs < 0 ||
	    !irq_set_range_valid(hdr, num_irqs))
		return -EINVAL;

	element = irq_set_element_size(hdr->flags);
	if (element < 0)
		return element;

	size = array_size(hdr->count, element);
	if (!size)
		return 0;
	if (!data_size || hdr->argsz - IRQ_SET_HEADER_SIZE < size)
		return -EINVAL;

	*data_size = size;
	return 0;
}
EXPORT_SYMBOL_GPL(vfio_set_irqs_validate_and_prepare);
