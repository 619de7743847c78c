package wire

import (
	"math"
	"strconv"
	"time"
)

// parseTime reads the forms that AWS's Query protocol accepts: ISO 8601 with a zone, with or without a fraction, a date
// alone, and seconds since 1970.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "20060102T150405Z0700", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return time.Time{}, false
	}
	return fromEpoch(f)
}

// maxEpoch is the end of the year 9999, beyond which a time cannot be written in the forms used here.
const maxEpoch = 253402300799

func fromEpoch(f float64) (time.Time, bool) {
	if math.IsNaN(f) || f < -62135596800 || f > maxEpoch {
		return time.Time{}, false
	}
	whole := math.Floor(f)
	return time.Unix(int64(whole), int64(math.Round((f-whole)*1e3))*1e6).UTC(), true
}

// appendISO writes t in UTC as ISO 8601, with milliseconds only where there are any.
func appendISO(b []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Nanosecond()/1e6 != 0 {
		return t.AppendFormat(b, "2006-01-02T15:04:05.000Z")
	}
	return t.AppendFormat(b, "2006-01-02T15:04:05Z")
}

// appendEpoch writes t as seconds since 1970, with milliseconds only where there are any.
func appendEpoch(b []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		return strconv.AppendFloat(b, float64(ms)/1e3, 'f', -1, 64)
	}
	b = strconv.AppendInt(b, ms/1e3, 10)
	if ms %= 1e3; ms != 0 {
		frac := strconv.AppendInt(nil, 1e3+ms, 10)
		frac[0] = '.'
		b = append(b, frac...)
	}
	return b
}
