/** `api/models` and `api/db` of LibreChat. */

const { createMethods, createModels } = require('@librechat/data-schemas');
const mongoose = require('mongoose');

createModels(mongoose);

const connectDb = () => mongoose.connect(process.env.MONGO_URI, { dbName: process.env.MONGO_DB });
const disconnectDb = () => mongoose.disconnect();

module.exports = { ...createMethods(mongoose), connectDb, disconnectDb };
