package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// number takes the integer of a key, or a default.
func (f *fields) number(key string, fallback int64) int64 {
	v, ok := f.value(key)
	if !ok {
		return fallback
	}
	n, err := strconv.ParseInt(v, 0, 64)
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("%s=%s is not a number", key, v)
	}
	return n
}

// duration takes the duration of a key, or a default.
func (f *fields) duration(key string, fallback time.Duration) time.Duration {
	v, ok := f.value(key)
	if !ok {
		return fallback
	}
	d, err := time.ParseDuration(v)
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("%s=%s is not a duration", key, v)
	}
	return d
}

// list takes the comma-separated numbers of a key.
func (f *fields) list(key string) []int64 {
	v, ok := f.value(key)
	if !ok {
		return nil
	}
	var out []int64
	for s := range strings.SplitSeq(v, ",") {
		n, err := strconv.ParseInt(s, 0, 64)
		if err != nil && f.err == nil {
			f.err = fmt.Errorf("%s=%s is not a list of numbers", key, v)
		}
		out = append(out, n)
	}
	return out
}

// done complains about what was not taken.
func (f *fields) done() error {
	if f.err == nil && len(f.words) > 0 {
		f.err = fmt.Errorf("what is %q?", strings.Join(f.words, " "))
	}
	return f.err
}
