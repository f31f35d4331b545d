package service

import (
	"encoding/binary"
	"errors"

	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/sctp"
)

// PPIDCalcApp is the payload protocol identifier of the CalcApp protocol.
const PPIDCalcApp sctp.PPID = 34

// CalcType is the type of a CalcMessage.
type CalcType uint8

// Types of CalcApp messages.
const (
	CalcRequest      CalcType = 1 // user: do this job
	CalcAccept       CalcType = 2 // element: I do, or go on with what the cookie says
	CalcReject       CalcType = 3 // element: I have no room for it
	CalcAbort        CalcType = 4 // user: do it no more
	CalcComplete     CalcType = 5 // element: it is done
	CalcKeepAlive    CalcType = 6 // both: are you there?
	CalcKeepAliveAck CalcType = 7
)

// calcLength is the size of every CalcApp message in bytes.
const calcLength = 24

// CalcMessage is a message of the CalcApp protocol.
type CalcMessage struct {
	Type      CalcType
	JobID     uint32
	JobSize   uint64 // calculations; CalcRequest and CalcComplete only, else 0
	Completed uint64 // of these; CalcComplete only
}

// AppendTo appends the message to b.
func (m *CalcMessage) AppendTo(b []byte) []byte {
	b = append(b, byte(m.Type), 0, 0, calcLength)
	b = binary.BigEndian.AppendUint32(b, m.JobID)
	b = binary.BigEndian.AppendUint64(b, m.JobSize)
	return binary.BigEndian.AppendUint64(b, m.Completed)
}

var errCalcApp = errors.New("malformed CalcApp message")

// DecodeCalcMessage reads a message of any of the types; flags mean nothing.
func DecodeCalcMessage(b []byte) (CalcMessage, error) {
	r := tlv.NewReader(b)
	m := CalcMessage{Type: CalcType(r.U8())}
	r.U8()
	n := r.U16()
	m.JobID, m.JobSize, m.Completed = r.U32(), r.U64(), r.U64()
	if r.Err() != nil || r.Len() != 0 || n != calcLength || m.Type < CalcRequest || m.Type > CalcKeepAliveAck {
		return CalcMessage{}, errCalcApp
	}
	return m, nil
}

// A calcJob is a job as its cookie has it, in rsplib's form.
type calcJob struct {
	id              uint32
	size, completed uint64
}

// cookie is the job as far as it is done.
func (j *calcJob) cookie() []byte {
	b := binary.BigEndian.AppendUint32(nil, j.id)
	b = binary.BigEndian.AppendUint64(b, j.size)
	return binary.BigEndian.AppendUint64(b, j.completed)
}

func decodeCalcCookie(b []byte) (*calcJob, error) {
	r := tlv.NewReader(b)
	j := &calcJob{id: r.U32(), size: r.U64(), completed: r.U64()}
	if r.Err() != nil || r.Len() != 0 || j.completed > j.size {
		return nil, errors.New("not a CalcApp cookie")
	}
	return j, nil
}
