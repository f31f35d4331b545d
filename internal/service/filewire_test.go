package service

import (
	"encoding/hex"
	"io/fs"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var testInfo = FileInfo{Size: 0x0102030405, SHA256: [32]byte{0xaa, 31: 0xbb}}

// The layouts of docs/files-protocol.md.
func TestFileMessageBytes(t *testing.T) {
	sum := "aa" + strings.Repeat("00", 30) + "bb"
	for want, m := range map[string]fileMessage{
		"01000011" + "0000000000000007" + "612f622e63":             &fileOpen{Offset: 7, Path: "a/b.c"},
		"0101000d" + "0000000000000000" + "78":                     &fileOpen{Describe: true, Path: "x"},
		"02000034" + "0000000000000007" + "0000000102030405" + sum: &fileFile{Info: testInfo, Offset: 7},
		"03000004":                           fileWait{},
		"0400000c" + "00030000" + "6e6f7065": &FileError{FileDifferent, "nope"},
		"04000008" + "00060000":              &FileError{FileFailed, ""},
		"02000034" + "0000000102030405" + "0000000102030405" + sum: &fileFile{Info: testInfo, Offset: 0x0102030405},
		"01ff0011" + "7fffffffffffffff" + "612f622e63":             nil,
	} {
		b, err := hex.DecodeString(want)
		require.NoError(t, err)
		got, err := decodeFile(b)
		require.NoError(t, err, want)
		if m == nil { // unknown flags mean nothing
			require.Equal(t, &fileOpen{Describe: true, Offset: math.MaxInt64, Path: "a/b.c"}, got)
			continue
		}
		require.Equal(t, m, got, want)
		require.Equal(t, want, hex.EncodeToString(m.appendTo(nil)))
	}
}

func TestFileCookieBytes(t *testing.T) {
	c := &fileCookie{Info: testInfo, Offset: 7, Path: "a/b.c"}
	want := hex.EncodeToString([]byte("RSFILE-1")) + "0000000000000007" + "0000000102030405" +
		"aa" + strings.Repeat("00", 30) + "bb" + "612f622e63"
	b := c.encode()
	require.Equal(t, want, hex.EncodeToString(b))
	got, err := decodeFileCookie(b)
	require.NoError(t, err)
	require.Equal(t, c, got)
	for n := range 56 {
		_, err := decodeFileCookie(b[:n])
		require.Error(t, err, n)
	}
	bad := func(mutate func(b []byte)) {
		t.Helper()
		b := c.encode()
		mutate(b)
		_, err := decodeFileCookie(b)
		require.Error(t, err)
	}
	bad(func(b []byte) { b[7] = '2' })  // another version
	bad(func(b []byte) { b[8] = 0x80 }) // offset beyond what a file can have
	bad(func(b []byte) { b[9] = 1 })    // offset beyond the end
	bad(func(b []byte) { b[16] = 0xff })
	_, err = decodeFileCookie(append(b, make([]byte, MaxPath)...))
	require.Error(t, err)
}

// Whatever comes is decoded or refused, and never more than it has.
func TestFileMessagesHostile(t *testing.T) {
	whole := [][]byte{
		(&fileOpen{Path: "path"}).appendTo(nil), (&fileFile{Info: testInfo}).appendTo(nil),
		fileWait{}.appendTo(nil), (&FileError{FileRange, "text"}).appendTo(nil),
	}
	for _, b := range whole {
		for n := range b {
			_, err := decodeFile(b[:n])
			require.Error(t, err, "%x", b[:n])
		}
		_, err := decodeFile(append(b, 0))
		require.Error(t, err, "longer than it says")
	}
	for _, s := range []string{
		"00000004", "05000004", "ff000004", // unknown types
		"0100000c8000000000000000", // offset is negative
		"02000034" + "0000000000000008" + "0000000000000007" + strings.Repeat("00", 32), // offset beyond the end
		"02000034" + "0000000000000000" + "ffffffffffffffff" + strings.Repeat("00", 32),
		"02000035" + "0000000000000000" + "0000000000000007" + strings.Repeat("00", 33),
		"04000006" + "0001",
	} {
		b, err := hex.DecodeString(s)
		require.NoError(t, err)
		_, err = decodeFile(b)
		require.Error(t, err, s)
	}
	_, err := decodeFile((&fileOpen{Path: strings.Repeat("x", MaxPath+1)}).appendTo(nil))
	require.Error(t, err)
}

func FuzzFile(f *testing.F) {
	f.Add((&fileOpen{Describe: true, Offset: 7, Path: "a/b"}).appendTo(nil))
	f.Add((&fileFile{Info: testInfo}).appendTo(nil))
	f.Add((&FileError{FileRange, "text"}).appendTo(nil))
	f.Add((&fileCookie{Info: testInfo, Path: "x"}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodeFile(b); err == nil {
			again, err := decodeFile(m.appendTo(nil))
			if e, ok := m.(*FileError); ok {
				_ = e.Error()
				e.Text = e.Text[:min(len(e.Text), 1024)]
			}
			require.NoError(t, err)
			require.Equal(t, m, again)
		}
		if c, err := decodeFileCookie(b); err == nil {
			require.Equal(t, b, c.encode())
		}
	})
}

// The text of an element reaches a terminal without control characters, and errors can
// be told apart.
func TestFileErrors(t *testing.T) {
	e := &FileError{FileNotFound, "\x1b[2Jgone\n\xff" + strings.Repeat("é", 600)}
	require.NotContains(t, e.Error(), "\x1b")
	require.NotContains(t, e.Error(), "\n")
	require.Less(t, len(e.Error()), 520)
	require.True(t, strings.HasPrefix(e.Error(), "·[2Jgone·"))
	require.Equal(t, "error 99", (&FileError{Code: 99}).Error())
	require.ErrorIs(t, e, fs.ErrNotExist)
	require.ErrorIs(t, &FileError{Code: FileRefused}, fs.ErrPermission)
	require.ErrorIs(t, &FileError{Code: FileDifferent}, ErrDifferent)
	require.ErrorIs(t, &FileError{Code: FileChanged}, ErrChanged)
	require.NoError(t, (&FileError{Code: FileFailed}).Unwrap())
}
