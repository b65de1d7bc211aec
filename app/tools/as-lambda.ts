// Imported before @sparticuz/chromium, which reads this once: it then unpacks the NSS libraries that a bare machine lacks, and
// says where they are.
process.env['AWS_LAMBDA_JS_RUNTIME'] ??= 'nodejs20.x';
