#!/usr/bin/env node
require('../cli')
  .run(process.argv)
  .then((code) => {
    process.exitCode = code;
  });
