# The profile of Lockstep's containers where AppArmor is on and none is asked for. It takes nothing that an ordinary
# container has: capabilities, devices, system calls and files have limits of their own. What it adds holds where one
# of those is given up or broken: the kernel's doors below stay shut, by the paths that are theirs. Who may mount with
# fsopen(2), which AppArmor does not mediate, reaches them by others: it holds against nobody with CAP_SYS_ADMIN.
profile NAME flags=(attach_disconnected) {
  file,
  network,
  unix,

  # Who changes the policy is confined by none, and a module of the kernel is above all of them.
  capability,
  deny capability mac_admin,
  deny capability mac_override,
  deny capability sys_module,

  # Signals and traces go to the processes of these containers, who may be confined by their starter's profile
  # besides, and come from whoever the other side's profile lets send them: stop and kill do from anywhere.
  signal (receive),
  signal (send) peer={NAME,NAME//&**,**//&NAME,**//&NAME//&**},
  ptrace (tracedby, readby),
  ptrace (trace, read) peer={NAME,NAME//&**,**//&NAME,**//&NAME//&**},

  # A mount could cover a path that is named here.
  deny mount,
  deny umount,
  deny pivot_root,

  # Settings and switches of the kernel. What a process may change of itself is below /proc/PID.
  deny /proc/sys/** wkl,
  deny /proc/{acpi,asound,bus,driver,fs,irq,pressure,scsi,tty}/** wkl,
  deny /proc/{mtrr,slabinfo,sysrq-trigger,timer_list} wkl,
  # Its memory and keys, which are not even read.
  deny /proc/{kcore,keys,kmsg,kpagecgroup,kpagecount,kpageflags,latency_stats,sched_debug,vmcore} rwkl,

  # Cgroups are below /sys/fs/cgroup, and writable where they are the container's.
  deny /sys/{block,bus,class,dev,devices,firmware,hypervisor,kernel,module,power}/** wkl,
  deny /sys/fs/{bpf,btrfs,erofs,ext4,f2fs,fuse,pstore,resctrl,selinux,smackfs,xfs}/** wkl,
  deny /sys/{firmware,kernel/debug,kernel/security,kernel/tracing}/** rwkl,
}
