/** What `run.js` sets before it starts LibreChat's part. */
declare namespace NodeJS {
  interface ProcessEnv {
    ALLOWED_ADDRESSES: string;
    JWT_SECRET: string;
    MONGO_URI: string;
    OPENID_TOKEN_ENDPOINT: string;
  }
}
