package service

import (
	"bytes"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// FuzzFileWire: control messages and cookies of the file protocol. What is accepted
// makes a stable round trip and stays within its bounds; the text of an error is fit
// for a terminal.
func FuzzFileWire(f *testing.F) {
	for _, m := range []fileMessage{
		&fileOpen{Offset: 7, Path: "a/b.c"}, &fileOpen{Describe: true}, &fileFile{Info: testInfo, Offset: 7},
		fileWait{}, &FileError{FileDifferent, "nope\x1b[2J"}, &FileError{Code: 99},
	} {
		f.Add(m.appendTo(nil))
	}
	cookie := &fileCookie{Info: testInfo, Offset: 7, Path: "a/b.c"}
	f.Add(cookie.appendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		if m, err := decodeFile(b); err == nil {
			switch m := m.(type) {
			case *fileOpen:
				require.GreaterOrEqual(t, m.Offset, int64(0))
				require.LessOrEqual(t, len(m.Path), MaxPath)
			case *fileFile:
				require.LessOrEqual(t, m.Offset, m.Info.Size)
				require.NotEmpty(t, m.Info.String())
			case *FileError:
				for _, r := range m.Error() {
					require.True(t, unicode.IsPrint(r), "%q", m.Error())
				}
				_ = m.Unwrap()
			}
			once := m.appendTo(nil)
			again, err := decodeFile(once)
			require.NoError(t, err)
			require.Equal(t, once, again.appendTo(nil))
		}
		if c, err := decodeFileCookie(b); err == nil {
			require.Equal(t, b, c.appendTo(nil), "every byte means something")
			require.LessOrEqual(t, c.Offset, c.Info.Size)
		}
		require.Equal(t, before, b, "reading changes nothing")
	})
}
