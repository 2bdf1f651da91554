// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chains of capabilities behind an info structure.
 *
 * VFIO_DEVICE_GET_INFO and VFIO_DEVICE_GET_REGION_INFO can say more than their
 * fixed structures hold.  What is more follows the structure as a chain of
 * capabilities, each with a header whose @next is the offset of the following
 * one, zero in the last.  A driver collects the chain in a struct vfio_info_cap,
 * where the offsets count from the start of its buffer, and before the copy to
 * user space moves them to count from the start of the info structure.
 *
 * The buffer belongs to the caller, who frees it with kfree(); no lock is
 * needed.  Calls nothing of the other rooms.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/align.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vfio.h>

/* Every capability starts at a multiple of this, as it may hold u64 fields. */
#define INFO_CAP_ALIGN	sizeof(u64)

static struct vfio_info_cap_header *info_cap_at(struct vfio_info_cap *chain,
						u32 offset)
{
	return (void *)chain->buf + offset;
}

/* The buffer with @bytes more at its end, or NULL; then it is as it was. */
static void *info_cap_grow(struct vfio_info_cap *chain, size_t bytes)
{
	size_t total;

	if (check_add_overflow(chain->size, bytes, &total))
		return NULL;
	return krealloc(chain->buf, total, GFP_KERNEL);
}

/**
 * vfio_info_cap_add - Append an empty capability to a chain
 * @chain: The chain; zeroed before the first call
 * @size: Bytes of the capability, header included
 * @id: The capability's ID
 * @version: Version of its layout
 *
 * The buffer may move, so a capability got by an earlier call is no longer
 * valid.  When the call fails, the whole chain is freed and empty.
 *
 * Context: May sleep.
 * Return: The capability, its header filled in and all else zero; -ENOMEM as an
 * error pointer when there is no memory for it.
 */
struct vfio_info_cap_header *vfio_info_cap_add(struct vfio_info_cap *chain,
					       size_t size, u16 id, u16 version)
{
	struct vfio_info_cap_header *cap, *tail;
	size_t padded = ALIGN(size, INFO_CAP_ALIGN);
	void *buf;

	buf = info_cap_grow(chain, padded);
	if (!buf) {
		kfree(chain->buf);
		*chain = (struct vfio_info_cap){};
		return ERR_PTR(-ENOMEM);
	}
	chain->buf = buf;

	cap = memset(buf + chain->size, 0, padded);
	cap->id = id;
	cap->version = version;

	if (chain->size) {
		tail = chain->buf;
		while (tail->next)
			tail = info_cap_at(chain, tail->next);
		tail->next = chain->size;
	}
	chain->size += padded;
	return cap;
}
EXPORT_SYMBOL_GPL(vfio_info_cap_add);

/**
 * vfio_info_cap_shift - Make a chain's offsets count from another place
 * @chain: The chain, its offsets counting from its own buffer
 * @offset: How many bytes lie between the new origin and the buffer: the size
 *          of the info structure that the chain follows
 *
 * The last step before the chain goes to user space; nothing can be added
 * afterwards.
 *
 * Context: Any.
 */
void vfio_info_cap_shift(struct vfio_info_cap *chain, size_t offset)
{
	struct vfio_info_cap_header *cap = chain->buf;

	if (!chain->size)
		return;

	while (cap->next) {
		u32 next = cap->next;

		cap->next = next + offset;
		cap = info_cap_at(chain, next);
	}
}
EXPORT_SYMBOL_GPL(vfio_info_cap_shift);

/**
 * vfio_info_add_capability - Append a copy of a capability to a chain
 * @chain: The chain; zeroed before the first call
 * @cap: The capability; its @next is ignored
 * @size: Bytes of @cap, header included
 *
 * When the call fails, the whole chain is freed and empty.
 *
 * Context: May sleep.
 * Return: 0; -ENOMEM when there is no memory for the copy.
 */
int vfio_info_add_capability(struct vfio_info_cap *chain,
			     struct vfio_info_cap_header *cap, size_t size)
{
	struct vfio_info_cap_header *copy;

	copy = vfio_info_cap_add(chain, size, cap->id, cap->version);
	if (IS_ERR(copy))
		return PTR_ERR(copy);

	memcpy(copy + 1, cap + 1, size - sizeof(*cap));
	return 0;
}
EXPORT_SYMBOL_GPL(vfio_info_add_capability);
