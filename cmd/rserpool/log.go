package main

import (
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger returns a log that goes to w.
func newLogger(level, format string, w io.Writer) (*zap.Logger, error) {
	l, err := parseLevel(level)
	if err != nil {
		return nil, err
	}
	return newLoggerAt(l, format, w)
}

// parseLevel reads a level; off is above all that is logged.
func parseLevel(level string) (zapcore.Level, error) {
	if level == "off" {
		return zapcore.FatalLevel + 1, nil
	}
	l, err := zapcore.ParseLevel(level)
	if err != nil || l > zapcore.ErrorLevel {
		return 0, usage("--log: unknown level %q (debug, info, warn, error or off)", level)
	}
	return l, nil
}

// newLoggerAt is newLogger with a level that may change.
func newLoggerAt(l zapcore.LevelEnabler, format string, w io.Writer) (*zap.Logger, error) {
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime = zapcore.ISO8601TimeEncoder
	cfg.EncodeDuration = zapcore.StringDurationEncoder
	var enc zapcore.Encoder
	switch format {
	case "json":
		enc = zapcore.NewJSONEncoder(cfg)
	case "text":
		cfg.EncodeLevel = zapcore.CapitalLevelEncoder
		cfg.ConsoleSeparator = " "
		enc = zapcore.NewConsoleEncoder(cfg)
	default:
		return nil, usage("--log-format: unknown format %q (text or json)", format)
	}
	core := zapcore.NewCore(enc, zapcore.Lock(zapcore.AddSync(w)), l)
	return zap.New(&bounded{core, zapcore.NewSamplerWithOptions(core, time.Second, logFirst, logEvery)}), nil
}

// In a second so many lines with the same message are written, and then one of so many.
const logFirst, logEvery = 100, 1000

// bounded is a log that strangers cannot fill the disk with: many lines tell what they
// did, at once. Who asks for debug gets it all.
type bounded struct {
	zapcore.Core
	sampled zapcore.Core
}

func (b *bounded) With(fields []zapcore.Field) zapcore.Core {
	return &bounded{b.Core.With(fields), b.sampled.With(fields)}
}

func (b *bounded) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(zapcore.DebugLevel) {
		return b.Core.Check(e, c)
	}
	return b.sampled.Check(e, c)
}
