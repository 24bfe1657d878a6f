/* The least that a container of `runc spec` can cost on this kernel.
 *
 * clone3 with its five namespaces, its cgroups made, joined and removed, its seven mounts,
 * the default devices, pivot_root and the payload's execve: what every runtime must ask of the
 * kernel, without parsing, state or checks. Left out although the configuration asks for it:
 * masked and read-only paths, capabilities, rlimits, the device list. So the bar that is a
 * multiple of this program leaves room for those.
 *
 * usage: floor ROOTFS v1|v2 CGROUP_DIR...     (directories to make; v2 takes exactly one)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define must(call) must_be(#call, (long)(call))

static long must_be(const char *what, long result)
{
	if (result < 0) {
		fprintf(stderr, "floor: %s = %s\n", what, strerror(errno));
		_exit(125);
	}
	return result;
}

static void put(const char *dir, const char *file, const char *value, size_t length)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", dir, file);
	int fd = must(open(path, O_WRONLY | O_CLOEXEC));
	must(write(fd, value, length));
	close(fd);
}

/* A v1 cpuset is empty when made, and an empty one cannot be joined. */
static void fill_cpuset(const char *dir, const char *file)
{
	char path[512], value[256];
	snprintf(path, sizeof path, "%s/../%s", dir, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* not the cpuset hierarchy */
	ssize_t length = must(read(fd, value, sizeof value));
	close(fd);
	put(dir, file, value, length);
}

struct option {
	const char *key, *value;
};

static void attach(const char *type, const char *target, unsigned attributes,
		   const struct option *options)
{
	int fs = must(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
	for (; options && options->key; options++)
		must(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, options->key, options->value, 0));
	must(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0));
	int mount = must(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes));
	must(syscall(SYS_move_mount, mount, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH));
	close(mount);
	close(fs);
}

static void bind_cgroup(const char *dir)
{
	/* /sys/fs/cgroup/cpuset/.../NAME is seen inside as sys/fs/cgroup/cpuset. */
	const char *name = dir + strlen("/sys/fs/cgroup/");
	char target[128];
	snprintf(target, sizeof target, "sys/fs/cgroup/%.*s", (int)strcspn(name, "/"), name);
	must(mkdir(target, 0755));
	int tree = must(syscall(SYS_open_tree, AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					     MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
	must(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &ro, sizeof ro));
	must(syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH));
	close(tree);
}

static void mounts(int v2, int cgroups, char **dirs)
{
	const unsigned safe = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	const struct option dev[] = { { "mode", "755" }, { "size", "65536k" }, { 0, 0 } };
	const struct option pts[] = { { "ptmxmode", "0666" }, { "mode", "0620" }, { "gid", "5" }, { 0, 0 } };
	const struct option shm[] = { { "mode", "1777" }, { "size", "65536k" }, { 0, 0 } };
	const struct option small[] = { { "mode", "755" }, { 0, 0 } };
	attach("proc", "proc", 0, 0);
	attach("tmpfs", "dev", MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME, dev);
	must(mkdir("dev/pts", 0755));
	must(mkdir("dev/shm", 0755));
	must(mkdir("dev/mqueue", 0755));
	attach("devpts", "dev/pts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, pts);
	attach("tmpfs", "dev/shm", safe, shm);
	attach("mqueue", "dev/mqueue", safe, 0);
	attach("sysfs", "sys", safe | MOUNT_ATTR_RDONLY, 0);
	if (v2) {
		attach("cgroup2", "sys/fs/cgroup", safe | MOUNT_ATTR_RDONLY, 0);
		return;
	}
	attach("tmpfs", "sys/fs/cgroup", safe, small);
	for (int i = 0; i < cgroups; i++)
		bind_cgroup(dirs[i]);
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	must(syscall(SYS_mount_setattr, AT_FDCWD, "sys/fs/cgroup", 0, &ro, sizeof ro));
}

static void devices(void)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} nodes[] = { { "dev/null", 1, 3 },   { "dev/zero", 1, 5 },    { "dev/full", 1, 7 },
		      { "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 } };
	static const char *const links[][2] = { { "/proc/self/fd", "dev/fd" },
						{ "/proc/self/fd/0", "dev/stdin" },
						{ "/proc/self/fd/1", "dev/stdout" },
						{ "/proc/self/fd/2", "dev/stderr" },
						{ "pts/ptmx", "dev/ptmx" } };
	umask(0);
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		must(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		must(symlink(links[i][0], links[i][1]));
	umask(022);
}

static void child(const char *rootfs, int v2, int cgroups, char **dirs)
{
	if (!v2)
		for (int i = 0; i < cgroups; i++)
			put(dirs[i], "cgroup.procs", "0", 1);
	must(mount(0, "/", 0, MS_REC | MS_SLAVE, 0));
	int root = must(syscall(SYS_open_tree, AT_FDCWD, rootfs,
				OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
	must(syscall(SYS_move_mount, root, "", AT_FDCWD, rootfs, MOVE_MOUNT_F_EMPTY_PATH));
	must(fchdir(root));
	mounts(v2, cgroups, dirs);
	devices();
	must(syscall(SYS_pivot_root, ".", "."));
	must(umount2(".", MNT_DETACH));
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	must(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &ro, sizeof ro));
	must(chdir("/"));
	must(sethostname("runc", 4));
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	char *argv[] = { "/bin/true", 0 }, *envp[] = { "PATH=/bin", 0 };
	must(execve(argv[0], argv, envp));
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	int v2 = strcmp(argv[2], "v2") == 0, cgroups = argc - 3, status;
	char **dirs = argv + 3;
	for (int i = 0; i < cgroups; i++) {
		must(mkdir(dirs[i], 0755));
		if (!v2 && strstr(dirs[i], "/cpuset/")) {
			fill_cpuset(dirs[i], "cpuset.cpus");
			fill_cpuset(dirs[i], "cpuset.mems");
		}
	}
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS,
		.exit_signal = SIGCHLD,
	};
	if (v2) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = must(open(dirs[0], O_PATH | O_DIRECTORY | O_CLOEXEC));
	}
	long pid = must(syscall(SYS_clone3, &args, sizeof args));
	if (pid == 0)
		child(argv[1], v2, cgroups, dirs);
	must(waitpid(pid, &status, 0));
	for (int i = 0; i < cgroups; i++)
		must(rmdir(dirs[i]));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}
