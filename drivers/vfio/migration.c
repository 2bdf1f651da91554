// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live migration: the state machine and the features that drive it.
 *
 * A driver implements single steps between states; a user asks for any state
 * from any other.  vfio_mig_get_next_state() finds the steps in between, as
 * <uapi/linux/vfio.h> defines them.  They form two parallel tracks:
 *
 *	level		0		1		  2
 *	plain		RUNNING <-----> RUNNING_P2P <---> STOP <---> RESUMING
 *			   ^		   ^		   ^
 *			   v		   v		   v
 *	saving		PRE_COPY <----> PRE_COPY_P2P ---> STOP_COPY
 *
 * The states of the saving track share one data transfer session.  To begin or
 * end a session is for the user to ask for, so a way between plain states never
 * enters the saving track, and a way between two saving states never leaves it.
 * Thus every way is unique: move along the plain track to the level of the
 * target, then step over.  Only STOP_COPY has no way back to the other saving
 * states.  RESUMING is a siding of level 2.
 *
 * States that a device does not have are passed through without a stop.
 *
 * No locks here: a driver serialises the changes of its state.  Calls nothing
 * of the other rooms.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/array_size.h>
#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "migration.h"

enum mig_track {
	MIG_PLAIN,
	MIG_SAVING,
	MIG_SIDING,
};

struct mig_place {
	enum mig_track track;
	int level;
	/* The migration flags that a device with this state has. */
	unsigned int needs;
};

#define NEEDS_STOP	VFIO_MIGRATION_STOP_COPY
#define NEEDS_P2P	(NEEDS_STOP | VFIO_MIGRATION_P2P)
#define NEEDS_PRE	(NEEDS_STOP | VFIO_MIGRATION_PRE_COPY)

/* ERROR is no place: nothing leads there, and only a reset leads out. */
static const struct mig_place mig_places[VFIO_DEVICE_STATE_NR] = {
	[VFIO_DEVICE_STATE_RUNNING]	 = { MIG_PLAIN,	 0, NEEDS_STOP },
	[VFIO_DEVICE_STATE_RUNNING_P2P]	 = { MIG_PLAIN,	 1, NEEDS_P2P },
	[VFIO_DEVICE_STATE_STOP]	 = { MIG_PLAIN,	 2, NEEDS_STOP },
	[VFIO_DEVICE_STATE_PRE_COPY]	 = { MIG_SAVING, 0, NEEDS_PRE },
	[VFIO_DEVICE_STATE_PRE_COPY_P2P] = { MIG_SAVING, 1, NEEDS_P2P | NEEDS_PRE },
	[VFIO_DEVICE_STATE_STOP_COPY]	 = { MIG_SAVING, 2, NEEDS_STOP },
	[VFIO_DEVICE_STATE_RESUMING]	 = { MIG_SIDING, 2, NEEDS_STOP },
};

static const enum vfio_device_mig_state mig_plain[] = {
	VFIO_DEVICE_STATE_RUNNING,
	VFIO_DEVICE_STATE_RUNNING_P2P,
	VFIO_DEVICE_STATE_STOP,
};

static const enum vfio_device_mig_state mig_saving[] = {
	VFIO_DEVICE_STATE_PRE_COPY,
	VFIO_DEVICE_STATE_PRE_COPY_P2P,
	VFIO_DEVICE_STATE_STOP_COPY,
};

static bool mig_has_state(const struct vfio_device *device,
			  enum vfio_device_mig_state state)
{
	unsigned int needs;

	if ((unsigned int)state >= ARRAY_SIZE(mig_places) ||
	    state == VFIO_DEVICE_STATE_ERROR)
		return false;
	needs = mig_places[state].needs;
	return (device->migration_flags & needs) == needs;
}

/* One level closer. */
static int mig_level_towards(int from, int to)
{
	return from < to ? from + 1 : from - 1;
}

/* The next state for a device that has them all; @from and @to differ. */
static enum vfio_device_mig_state mig_step(enum vfio_device_mig_state from,
					   enum vfio_device_mig_state to)
{
	const struct mig_place *a = &mig_places[from];
	const struct mig_place *b = &mig_places[to];

	if (a->track == MIG_SAVING && b->track == MIG_SAVING) {
		if (from == VFIO_DEVICE_STATE_STOP_COPY)
			return VFIO_DEVICE_STATE_ERROR;
		return mig_saving[mig_level_towards(a->level, b->level)];
	}
	if (a->track != MIG_PLAIN)
		return mig_plain[a->level];
	if (a->level != b->level)
		return mig_plain[mig_level_towards(a->level, b->level)];
	return to;
}

/**
 * vfio_mig_get_next_state - Find the next step towards a migration state
 * @device: The device; its migration_flags say which states it has
 * @cur_fsm: The state it is in
 * @new_fsm: The state the user asks for; any number
 * @next_fsm: Where to put the state to step to.  It is @new_fsm at the last
 *            step, and also if the device is there already.  A refusal puts
 *            VFIO_DEVICE_STATE_ERROR there.
 *
 * A driver calls it and does the step, until it arrives.  The steps it has to
 * know are the arrows in the picture at the top of this file.  On a device
 * without P2P, which passes through the middle level, they are those between
 * RUNNING and STOP and from PRE_COPY to STOP_COPY instead.
 *
 * Context: Any; the driver holds what protects its state.
 * Return: 0; -EINVAL when the device has no @new_fsm, when @new_fsm is ERROR,
 * when @cur_fsm is ERROR or another state that the device has not, or when
 * there is no way from @cur_fsm to @new_fsm.
 */
int vfio_mig_get_next_state(struct vfio_device *device,
			    enum vfio_device_mig_state cur_fsm,
			    enum vfio_device_mig_state new_fsm,
			    enum vfio_device_mig_state *next_fsm)
{
	enum vfio_device_mig_state next = cur_fsm;

	*next_fsm = VFIO_DEVICE_STATE_ERROR;
	if (!mig_has_state(device, cur_fsm) || !mig_has_state(device, new_fsm))
		return -EINVAL;

	if (cur_fsm != new_fsm) {
		/* Ends at @new_fsm at the latest, a state that it has. */
		do {
			next = mig_step(next, new_fsm);
			if (next == VFIO_DEVICE_STATE_ERROR)
				return -EINVAL;
		} while (!mig_has_state(device, next));
	}

	*next_fsm = next;
	return 0;
}
EXPORT_SYMBOL_GPL(vfio_mig_get_next_state);

/**
 * vfio_feature_migration - VFIO_DEVICE_FEATURE_MIGRATION: which states exist
 * @device: The device
 * @flags: Feature number, GET and PROBE bits
 * @data: struct vfio_device_feature_migration in user memory
 * @size: Bytes that the user has there
 *
 * Context: An ioctl of an open device.
 * Return: 0; -ENOTTY when the device cannot migrate, -EINVAL for SET, no
 * operation, or a short @size, -EFAULT.
 */
int vfio_feature_migration(struct vfio_device *device, u32 flags,
			   void __user *data, size_t size)
{
	struct vfio_device_feature_migration mig = {
		.flags = device->migration_flags,
	};
	int rc;

	if (!device->mig_ops)
		return -ENOTTY;

	rc = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_GET,
				sizeof(mig));
	if (rc != 1)
		return rc;

	return copy_to_user(data, &mig, sizeof(mig)) ? -EFAULT : 0;
}

static int mig_state_get(struct vfio_device *device,
			 struct vfio_device_feature_mig_state *mig)
{
	enum vfio_device_mig_state state;
	int rc;

	rc = device->mig_ops->migration_get_state(device, &state);
	if (rc)
		return rc;

	mig->device_state = state;
	mig->data_fd = -1;
	return 0;
}

/* Tell the user the outcome @rc of a state change that has no session to hand out. */
static int mig_state_reply(struct vfio_device_feature_mig_state *mig,
			   void __user *data, int rc)
{
	mig->data_fd = -1;
	if (copy_to_user(data, mig, sizeof(*mig)))
		return -EFAULT;
	return rc;
}

/*
 * Hand out the file of a data transfer session.  If that fails, the file is
 * closed, which ends the session; the device stays in its new state.
 */
static int mig_state_reply_session(struct vfio_device_feature_mig_state *mig,
				   void __user *data, struct file *session)
{
	struct file *file __free(fput) = session;
	CLASS(get_unused_fd, fd)(O_CLOEXEC);

	if (fd < 0)
		return mig_state_reply(mig, data, fd);

	mig->data_fd = fd;
	if (copy_to_user(data, mig, sizeof(*mig)))
		return -EFAULT;

	fd_install(take_fd(fd), no_free_ptr(file));
	return 0;
}

/**
 * vfio_feature_mig_state - VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE: get or change
 *			    the migration state
 * @device: The device
 * @flags: Feature number, GET, SET and PROBE bits
 * @data: struct vfio_device_feature_mig_state in user memory
 * @size: Bytes that the user has there
 *
 * A state change that begins a data transfer session returns its file in
 * data_fd, close-on-exec; all else returns -1 there.  The user's device_state
 * and a data_fd of -1 are written back also if the change fails.
 *
 * Context: An ioctl of an open device.
 * Return: 0; -ENOTTY when the device cannot migrate, -EINVAL for no operation
 * or a short @size, -EFAULT, -EMFILE or -ENFILE when there is no descriptor for
 * the session, or the driver's refusal: -EINVAL when the device has no such
 * state or no way to it.
 */
int vfio_feature_mig_state(struct vfio_device *device, u32 flags,
			   void __user *data, size_t size)
{
	struct vfio_device_feature_mig_state mig;
	struct file *session;
	int rc;

	if (!device->mig_ops)
		return -ENOTTY;

	rc = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_GET |
				VFIO_DEVICE_FEATURE_SET, sizeof(mig));
	if (rc != 1)
		return rc;

	if (copy_from_user(&mig, data, sizeof(mig)))
		return -EFAULT;

	if (flags & VFIO_DEVICE_FEATURE_GET) {
		rc = mig_state_get(device, &mig);
		return rc ? rc : mig_state_reply(&mig, data, 0);
	}

	session = device->mig_ops->migration_set_state(device, mig.device_state);
	if (IS_ERR_OR_NULL(session))
		return mig_state_reply(&mig, data, PTR_ERR_OR_ZERO(session));
	return mig_state_reply_session(&mig, data, session);
}

/**
 * vfio_feature_mig_data_size - VFIO_DEVICE_FEATURE_MIG_DATA_SIZE: how much will
 *				STOP_COPY transfer?
 * @device: The device
 * @flags: Feature number, GET and PROBE bits
 * @data: struct vfio_device_feature_mig_data_size in user memory
 * @size: Bytes that the user has there
 *
 * Context: An ioctl of an open device, in any migration state.
 * Return: 0; -ENOTTY when the device cannot migrate, -EINVAL for SET, no
 * operation, or a short @size, -EFAULT, or the driver's refusal.
 */
int vfio_feature_mig_data_size(struct vfio_device *device, u32 flags,
			       void __user *data, size_t size)
{
	struct vfio_device_feature_mig_data_size reply = {};
	unsigned long length = 0;
	int rc;

	if (!device->mig_ops)
		return -ENOTTY;

	rc = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_GET,
				sizeof(reply));
	if (rc != 1)
		return rc;

	rc = device->mig_ops->migration_get_data_size(device, &length);
	if (rc)
		return rc;

	reply.stop_copy_length = length;
	return copy_to_user(data, &reply, sizeof(reply)) ? -EFAULT : 0;
}

/**
 * vfio_feature_precopy_info_v2 - VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2: the
 *				  user understands flags in vfio_precopy_info
 * @device: The device
 * @flags: Feature number, SET and PROBE bits
 * @data: Not used, the feature has no data
 * @size: Not used
 *
 * Holds until vfio_migration_forget_user().
 *
 * Context: An ioctl of an open device.
 * Return: 0; -ENOTTY when the device has no PRE_COPY, -EINVAL for GET or no
 * operation.
 */
int vfio_feature_precopy_info_v2(struct vfio_device *device, u32 flags,
				 void __user *data, size_t size)
{
	int rc;

	if (!device->mig_ops ||
	    !(device->migration_flags & VFIO_MIGRATION_PRE_COPY))
		return -ENOTTY;

	rc = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_SET, 0);
	if (rc != 1)
		return rc;

	device->precopy_info_v2 = 1;
	return 0;
}
