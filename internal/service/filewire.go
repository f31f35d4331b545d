package service

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"unicode"

	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/sctp"
)

// Payload protocol identifiers of the file protocol, docs/files-protocol.md. They are
// private: "RSFC" and "RSFD".
const (
	PPIDFileControl sctp.PPID = 0x52534643 // requests and replies
	PPIDFileContent sctp.PPID = 0x52534644 // bytes of the file, nothing else
)

// MaxPath is the longest path in bytes that the file protocol carries.
const MaxPath = 4096

// maxFileControl is the longest control message that is read.
const maxFileControl = 8192

// FileInfo says which content a file has.
type FileInfo struct {
	Size   int64
	SHA256 [32]byte
}

// String is "123 bytes, sha256 89abcdef01234567…".
func (i FileInfo) String() string {
	return fmt.Sprintf("%d bytes, sha256 %x…", i.Size, i.SHA256[:8])
}

// Message types.
const (
	typeOpen  = 1
	typeFile  = 2
	typeWait  = 3
	typeError = 4
)

// flagDescribe in a fileOpen asks for the description only.
const flagDescribe = 0x01

// fileOpen asks for a file: its description and then its content from an offset on.
type fileOpen struct {
	Describe bool
	Offset   int64
	Path     string
}

// fileFile answers with the description. Unless it was all that was asked for, the
// content follows from Offset to the end.
type fileFile struct {
	Info   FileInfo
	Offset int64
}

// fileWait says that the answer takes longer.
type fileWait struct{}

// FileCode says why a request failed.
type FileCode uint16

// Reasons of failure.
const (
	FileNotFound  FileCode = 1
	FileRefused   FileCode = 2 // outside the root, not a regular file, no permission
	FileDifferent FileCode = 3 // not the file of the cookie
	FileChanged   FileCode = 4 // it changed while it was sent
	FileRange     FileCode = 5 // the offset is beyond the end
	FileFailed    FileCode = 6 // the element has a problem
	FileMalformed FileCode = 7 // the request makes no sense
)

// FileError is a failure that an element reports. It wraps fs.ErrNotExist,
// fs.ErrPermission or ErrDifferent, as far as these apply.
type FileError struct {
	Code FileCode
	Text string
}

// ErrDifferent says that the file of one element has not the same content as that of
// another.
var ErrDifferent = errors.New("not the same file")

// ErrChanged says that the file changed while it was sent.
var ErrChanged = errors.New("file changed while it was sent")

// Error is the element's text, without what does not belong on a terminal.
func (e *FileError) Error() string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, e.Text)
	if len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "") + "…"
	}
	if text == "" {
		text = fmt.Sprintf("error %d", e.Code)
	}
	return text
}

// Unwrap returns the error that the code stands for.
func (e *FileError) Unwrap() error {
	switch e.Code {
	case FileNotFound:
		return fs.ErrNotExist
	case FileRefused:
		return fs.ErrPermission
	case FileDifferent:
		return ErrDifferent
	case FileChanged:
		return ErrChanged
	}
	return nil
}

// fileMessage is one of the messages above.
type fileMessage interface{ appendTo(b []byte) []byte }

// beginFile appends a header whose length endFile fills in.
func beginFile(b []byte, typ, flags uint8) ([]byte, int) {
	return append(b, typ, flags, 0, 0), len(b)
}

func endFile(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

func (m *fileOpen) appendTo(b []byte) []byte {
	var flags uint8
	if m.Describe {
		flags |= flagDescribe
	}
	b, start := beginFile(b, typeOpen, flags)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Offset))
	return endFile(append(b, m.Path...), start)
}

func (m *fileFile) appendTo(b []byte) []byte {
	b, start := beginFile(b, typeFile, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Offset))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Info.Size))
	return endFile(append(b, m.Info.SHA256[:]...), start)
}

func (fileWait) appendTo(b []byte) []byte {
	b, start := beginFile(b, typeWait, 0)
	return endFile(b, start)
}

func (e *FileError) appendTo(b []byte) []byte {
	b, start := beginFile(b, typeError, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(e.Code))
	b = append(b, 0, 0)
	return endFile(append(b, e.Text[:min(len(e.Text), 1024)]...), start)
}

var errFileMessage = errors.New("malformed message of the file protocol")

// decodeFile reads a control message. Unknown types and wrong lengths are errors.
func decodeFile(b []byte) (fileMessage, error) {
	r := tlv.NewReader(b)
	typ, flags, n := r.U8(), r.U8(), int(r.U16())
	if r.Err() != nil || n != len(b) {
		return nil, errFileMessage
	}
	var m fileMessage
	switch typ {
	case typeOpen:
		o := &fileOpen{Describe: flags&flagDescribe != 0, Offset: offset(&r)}
		o.Path = string(r.Rest())
		if len(o.Path) > MaxPath {
			return nil, errFileMessage
		}
		m = o
	case typeFile:
		f := &fileFile{Offset: offset(&r)}
		f.Info = fileInfo(&r)
		if f.Offset > f.Info.Size || r.Len() > 0 {
			return nil, errFileMessage
		}
		m = f
	case typeWait:
		m = fileWait{}
	case typeError:
		e := &FileError{Code: FileCode(r.U16())}
		_ = r.U16() // reserved
		e.Text = string(r.Rest())
		m = e
	default:
		return nil, errFileMessage
	}
	if r.Err() != nil {
		return nil, errFileMessage
	}
	return m, nil
}

// offset reads a number of bytes; those that a file cannot have are an error.
func offset(r *tlv.Reader) int64 {
	n := r.U64()
	if n > math.MaxInt64 {
		r.Fail(errFileMessage)
		return 0
	}
	return int64(n)
}

func fileInfo(r *tlv.Reader) FileInfo {
	i := FileInfo{Size: offset(r)}
	copy(i.SHA256[:], r.Bytes(len(i.SHA256)))
	return i
}

// fileCookie is what the next element must know to go on: which content of which
// file, and from where. It is not authenticated: an element believes the path as little
// as that of a request, and the user compares the description with what it has.
type fileCookie struct {
	Info   FileInfo
	Offset int64
	Path   string
}

// fileCookieID begins every cookie of the file service.
const fileCookieID = "RSFILE-1"

func (c *fileCookie) encode() []byte {
	b := []byte(fileCookieID)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Offset))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Info.Size))
	b = append(b, c.Info.SHA256[:]...)
	return append(b, c.Path...)
}

func decodeFileCookie(b []byte) (*fileCookie, error) {
	r := tlv.NewReader(b)
	id := r.Bytes(len(fileCookieID))
	c := &fileCookie{Offset: offset(&r)}
	c.Info = fileInfo(&r)
	c.Path = string(r.Rest())
	if r.Err() != nil || string(id) != fileCookieID || len(c.Path) > MaxPath || c.Offset > c.Info.Size {
		return nil, errors.New("not a cookie of the file service")
	}
	return c, nil
}
