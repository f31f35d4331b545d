package udpencap

// Stats are counters of a Socket since its creation. Segments of a run that
// travelled as one count as datagrams of their own.
type Stats struct {
	Received      uint64 // datagrams handed out
	ReceivedBytes uint64 // their payload
	Reads         uint64 // ReadBatch calls that returned datagrams
	ReadErrors    uint64 // errors of the receiving system call, all of them survived
	Truncated     uint64 // datagrams dropped because they or their control data were cut

	Sent         uint64 // datagrams that the kernel took
	SentBytes    uint64 // their payload
	Dropped      uint64 // datagrams that the kernel refused
	TooBig       uint64 // those of Dropped that were refused because of their size (EMSGSIZE)
	GSOFallbacks uint64 // runs that were sent again one by one because GSO failed

	Notices uint64 // ICMP messages about what was sent

	GSO          bool // segmentation offload is in use
	GRO          bool // receive offload is in use
	DontFragment bool // datagrams leave whole

	// RecvBuffer and SendBuffer are the sizes in bytes of the kernel's buffers as it
	// granted them, 0 if it does not tell.
	RecvBuffer, SendBuffer int
}
